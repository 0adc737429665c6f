//! Which XDP object belongs to these sources: the hash of `ebpf/`, and the two places an object may lie.
//!
//! Shared by this package's build script, which embeds the object, and by `cargo xtask`, which builds and checks it.
//! It needs nothing but the standard library and `sha2`.

use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// What the build says when no object fits the sources.
pub(crate) const STALE: &str = "eBPF sources changed: run `cargo xtask build-ebpf`";

/// An XDP object and the `key = value` lines beside it that say what it was built from.
pub(crate) struct Built {
    pub(crate) object: PathBuf,
    pub(crate) manifest: PathBuf,
}

/// Where `cargo xtask build-ebpf` leaves an object for this checkout alone.
pub(crate) fn fresh(root: &Path) -> Built {
    let folder = root.join("target/ebpf");
    Built { object: folder.join("weir.bpf.o"), manifest: folder.join("weir.bpf.hash") }
}

/// The committed object, which lets a checkout build without any eBPF toolchain.
pub(crate) fn prebuilt(root: &Path) -> Built {
    let folder = root.join("ebpf/prebuilt");
    Built { object: folder.join("weir.bpf.o"), manifest: folder.join("MANIFEST") }
}

impl Built {
    /// Whether this object is whole and was built from sources with this hash.
    pub(crate) fn fits(&self, sources: &str) -> bool {
        let (Ok(object), Ok(manifest)) = (fs::read(&self.object), fs::read_to_string(&self.manifest)) else {
            return false;
        };
        value(&manifest, "sources") == Some(sources)
            && value(&manifest, "object") == Some(sha256(&object).as_str())
    }
}

/// The object to embed: the fresh one if it fits the sources, else the committed one if that fits, else none.
pub(crate) fn choose(root: &Path) -> io::Result<Option<PathBuf>> {
    let sources = hash(root)?;
    Ok([fresh(root), prebuilt(root)].into_iter().find(|built| built.fits(&sources)).map(|built| built.object))
}

/// One value of a manifest.
pub(crate) fn value<'a>(manifest: &'a str, key: &str) -> Option<&'a str> {
    manifest.lines().find_map(|line| {
        let (found, value) = line.split_once('=')?;
        (found.trim() == key).then(|| value.trim())
    })
}

/// The hash of everything the object is made from: each path and each content, in the order of the paths.
pub(crate) fn hash(root: &Path) -> io::Result<String> {
    let mut sum = Sha256::new();
    for path in files(root)? {
        let content = fs::read(root.join(&path))?;
        for part in [path.as_os_str().as_encoded_bytes(), &content] {
            sum.update((part.len() as u64).to_le_bytes());
            sum.update(part);
        }
    }
    Ok(format!("{:x}", sum.finalize()))
}

/// The SHA-256 of some bytes, as lower-case hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// The sources of the object, relative to the root and sorted: manifests, lock file and Rust code, without tests.
pub(crate) fn files(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = vec![PathBuf::from("ebpf/Cargo.lock"), PathBuf::from("ebpf/Cargo.toml")];
    for package in ["ebpf/wire", "ebpf/xdp"] {
        collect(root, Path::new(package), &mut found)?;
    }
    found.sort();
    Ok(found)
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        let stem = path.file_stem().unwrap_or_default();
        if stem == "tests" || stem == "benches" || stem == "target" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(root, &path, found)?;
        } else if path.extension().is_some_and(|end| end == "rs" || end == "toml") {
            found.push(path);
        }
    }
    Ok(())
}
