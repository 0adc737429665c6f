//! The files of the package, where they will lie on the host, and what dpkg is told about them.

use crate::shell;
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// From the repository to the host.
const FILES: [(&str, &str); 10] = [
    ("systemd/weir.service", "usr/lib/systemd/system/weir.service"),
    ("systemd/weir.sysctl", "usr/lib/sysctl.d/60-weir.conf"),
    ("systemd/weir.sysusers", "usr/lib/sysusers.d/weir.conf"),
    ("systemd/weir.tmpfiles", "usr/lib/tmpfiles.d/weir.conf"),
    ("systemd/weir.logrotate", "etc/logrotate.d/weir"),
    ("config/packaged.yaml", "etc/weir/weir.yaml"),
    ("config/schema.json", "usr/share/weir/schema.json"),
    ("config/weir.yaml", "usr/share/doc/weir/weir.yaml"),
    ("README.md", "usr/share/doc/weir/README.md"),
    ("CHANGELOG.md", "usr/share/doc/weir/CHANGELOG.md"),
];
/// Folders whose files are packed as they are.
const FOLDERS: [(&str, &str); 2] =
    [("docs", "usr/share/doc/weir/docs"), ("config/examples", "usr/share/doc/weir/examples")];
/// Files that belong to the operator once they are installed.
const CONFFILES: &str = "/etc/weir/weir.yaml\n/etc/logrotate.d/weir\n";
/// Where each shell looks for completions.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/weir"),
    ("zsh", "usr/share/zsh/vendor-completions/_weir"),
    ("fish", "usr/share/fish/vendor_completions.d/weir.fish"),
];
const SCRIPTS: [(&str, &str); 3] = [
    ("postinst", include_str!("postinst.sh")),
    ("prerm", include_str!("prerm.sh")),
    ("postrm", include_str!("postrm.sh")),
];

/// The package before it is packed.
pub(super) struct Tree(PathBuf);

impl Tree {
    /// An empty tree.
    pub(super) fn new(folder: PathBuf) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.0
    }

    /// Puts everything in its place and returns its size in bytes.
    pub(super) fn fill(&self, repository: &Path, binary: &Path) -> Result<u64> {
        for (from, to) in FILES {
            self.put(to, &fs::read(repository.join(from)).with_context(|| from.to_owned())?)?;
        }
        for (from, to) in FOLDERS {
            for entry in fs::read_dir(repository.join(from)).with_context(|| from.to_owned())? {
                let entry = entry?;
                self.put(&format!("{to}/{}", entry.file_name().to_string_lossy()), &fs::read(entry.path())?)?;
            }
        }
        let program = self.put("usr/bin/weir", b"")?;
        shell::run(Command::new("strip").arg("-o").arg(&program).arg(binary))
            .context("apt-get install binutils")?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        self.describe(&program)?;
        size(&self.0)
    }

    /// What the program says about itself: manual pages and completions.
    fn describe(&self, program: &Path) -> Result<()> {
        let pages = self.0.join("usr/share/man/man1");
        fs::create_dir_all(&pages)?;
        shell::run(Command::new(program).arg("man").arg(&pages))?;
        shell::run(Command::new("gzip").args(["--no-name", "--recursive", "-9"]).arg(&pages))?;
        for (name, to) in COMPLETIONS {
            let words = shell::output(Command::new(program).args(["completions", name]))?;
            self.put(to, words.as_bytes())?;
        }
        Ok(())
    }

    /// Writes what dpkg wants to know.
    pub(super) fn control(&self, version: &str, architecture: &str, bytes: u64) -> Result<()> {
        let control = format!(
            "Package: weir\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: weir <root@localhost>\n\
             Section: net\nPriority: optional\nInstalled-Size: {}\nDepends: libc6 (>= 2.34), libgcc-s1, passwd\n\
             Recommends: ca-certificates, logrotate, systemd\n\
             Description: L4-L7 edge appliance for a bare-metal Linux host\n \
             An XDP program judges packets in the kernel, and the connections that survive go to\n \
             a thread-per-core io_uring proxy. One YAML file says what both obey.\n",
            bytes.div_ceil(1024)
        );
        self.put("DEBIAN/control", control.as_bytes())?;
        self.put("DEBIAN/conffiles", CONFFILES.as_bytes())?;
        for (name, text) in SCRIPTS {
            let script = self.put(&format!("DEBIAN/{name}"), text.as_bytes())?;
            fs::set_permissions(script, fs::Permissions::from_mode(0o755))?;
        }
        fs::set_permissions(&self.0, fs::Permissions::from_mode(0o755))?;
        Ok(())
    }

    fn put(&self, to: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.0.join(to);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, bytes).with_context(|| path.display().to_string())?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
        Ok(path)
    }
}

/// The bytes of all files under a folder.
fn size(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { size(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}
