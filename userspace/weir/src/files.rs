//! What the configuration refers to outside itself: its own files, environment, secrets, lists.

use crate::failure::{CONFIG, failure};
use anyhow::Result;
use nix::unistd::geteuid;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use weir_admin::File;
use weir_plan::Files;
use weir_schema::{Lookup, Source, Sources};

/// No file that a configuration names is larger; a deny list of a million lines has 20 MB.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// The authorities that Debian's package ca-certificates installs; `SSL_CERT_FILE` names others.
const ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// This host, as the configuration sees it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Host;

impl Lookup for Host {
    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &str) -> Result<String, String> {
        read(Path::new(path))
    }

    fn is_open(&self, path: &str) -> bool {
        is_open(Path::new(path))
    }

    /// systemd passes credentials as files in a directory of the service (systemd.exec(5), LoadCredential).
    fn credential(&self, name: &str) -> Result<String, String> {
        let Some(directory) = std::env::var_os("CREDENTIALS_DIRECTORY") else {
            return Err(String::from(
                "the service was started without credentials (LoadCredential= in its unit)",
            ));
        };
        if name.contains('/') || name.starts_with('.') {
            return Err(String::from("the name of a credential is a plain file name"));
        }
        read(&PathBuf::from(directory).join(name))
    }
}

/// This host, and which of its files a configuration refers to.
#[derive(Debug, Default)]
pub(crate) struct Witness(RefCell<BTreeSet<PathBuf>>);

impl Witness {
    /// Every file that was asked for, whether it was there or not.
    pub(crate) fn seen(self) -> BTreeSet<PathBuf> {
        self.0.into_inner()
    }

    fn see(&self, path: impl Into<PathBuf>) {
        self.0.borrow_mut().insert(path.into());
    }
}

impl Lookup for Witness {
    fn env(&self, name: &str) -> Option<String> {
        Host.env(name)
    }

    fn file(&self, path: &str) -> Result<String, String> {
        self.see(path);
        Host.file(path)
    }

    fn is_open(&self, path: &str) -> bool {
        is_open(Path::new(path))
    }

    fn credential(&self, name: &str) -> Result<String, String> {
        if let Some(directory) = std::env::var_os("CREDENTIALS_DIRECTORY") {
            self.see(Path::new(&directory).join(name));
        }
        Host.credential(name)
    }
}

impl Files for Witness {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.see(path);
        Files::read(&Host, path)
    }

    fn is_open(&self, path: &str) -> bool {
        is_open(Path::new(path))
    }

    fn roots(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        self.see(roots_file());
        Host.roots()
    }
}

/// No place: nothing is opened.
pub(crate) struct Nowhere;

impl Files for Nowhere {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        Err(format!("{path} is left alone"))
    }

    fn roots(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        Err(String::from("the authorities of this system are left alone"))
    }
}

fn roots_file() -> String {
    std::env::var("SSL_CERT_FILE").unwrap_or_else(|_| ROOTS.to_owned())
}

impl Files for Host {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        bytes(Path::new(path))
    }

    fn is_open(&self, path: &str) -> bool {
        is_open(Path::new(path))
    }

    fn roots(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let path = roots_file();
        let bytes =
            bytes(Path::new(&path)).map_err(|why| format!("{path}: {why}; install ca-certificates"))?;
        let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        roots.map_err(|error| format!("{path}: {error}"))
    }
}

/// The text of a file, or why there is none.
pub(crate) fn read(path: &Path) -> Result<String, String> {
    String::from_utf8(bytes(path)?).map_err(|_| String::from("it is not UTF-8 text"))
}

/// Everybody on this host may read the file.
fn is_open(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o004 != 0)
}

fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    let file = std::fs::File::open(path).map_err(|error| unopened(&error))?;
    let mut bytes = Vec::new();
    let length = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if length as u64 > FILE_BYTES_MAX {
        return Err(String::from("it is larger than 256 MiB"));
    }
    Ok(bytes)
}

/// Root is used to reading everything.
fn unopened(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied if geteuid().is_root() => {
            format!(
                "{error}: it is another user's, and weir gives up reading those; let root own it, or see `weir run --privileged`"
            )
        }
        _ => error.to_string(),
    }
}

/// The main file, or standard input for `-`, and after it those of `conf.d` beside it.
pub(crate) fn sources(config: &Path) -> Result<Sources> {
    let cannot = |path: &Path, why: String| {
        failure(CONFIG, format!("cannot read {}: {why}; name another file with --config", path.display()))
    };
    if config == Path::new("-") {
        let text =
            std::io::read_to_string(std::io::stdin()).map_err(|error| cannot(config, error.to_string()))?;
        return Ok(Sources::one("<stdin>", text));
    }
    let mut paths = vec![config.to_owned()];
    paths.extend(drop_ins(&config.with_file_name("conf.d")));
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let text = read(&path).map_err(|why| cannot(&path, why))?;
        files.push(Source::new(path.to_string_lossy(), text));
    }
    Ok(Sources::new(files))
}

/// The same files as they travel to the running program.
pub(crate) fn packed(sources: &Sources) -> Vec<File> {
    let file = |(_, source): (u16, &Source)| File { name: source.name.clone(), text: source.text.clone() };
    sources.iter().map(file).collect()
}

/// The YAML files of a directory in the order of their names; none if there is no such directory.
fn drop_ins(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| is_yaml(path)).collect();
    paths.sort();
    paths
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drop_ins_follow_the_main_file_in_the_order_of_their_names() {
        let room = tempfile::tempdir().unwrap();
        let main = room.path().join("weir.yaml");
        std::fs::create_dir(room.path().join("conf.d")).unwrap();
        for name in ["weir.yaml", "conf.d/20-b.yaml", "conf.d/10-a.yml", "conf.d/notes.txt"] {
            std::fs::write(room.path().join(name), name).unwrap();
        }
        let sources = sources(&main).unwrap();
        let texts: Vec<&str> = sources.iter().map(|(_, source)| source.text.as_str()).collect();
        assert_eq!(texts, ["weir.yaml", "conf.d/10-a.yml", "conf.d/20-b.yaml"]);
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = sources(Path::new("/nonexistent/weir.yaml")).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/weir.yaml") && error.contains("--config"), "{error}");
    }
}
