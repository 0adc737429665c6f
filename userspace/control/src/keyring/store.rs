//! The last good keys of each issuer on disk, so that a restart during an outage of the issuer locks nobody out.
use std::fs::{DirBuilder, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use weir_policy::jwt::KeySet;

/// A directory with a file for each source. The first line of a file names its source.
#[derive(Debug)]
pub(crate) struct Store {
    room: PathBuf,
}

impl Store {
    pub(crate) fn new(room: PathBuf) -> Store {
        Store { room }
    }

    /// Keeps a document, whole or not at all.
    pub(crate) fn put(&self, source: &str, document: &[u8]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.room)?;
        let path = self.path(source);
        let draft = path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(source.as_bytes())?;
        file.write_all(b"\n")?;
        file.write_all(document)?;
        file.sync_all()?;
        std::fs::rename(draft, path)
    }

    /// The document that was kept for a source, and how old it is. Nothing if there is none that belongs to it.
    pub(crate) fn find(&self, source: &str) -> Option<(Vec<u8>, Duration)> {
        let file = std::fs::File::open(self.path(source)).ok()?;
        let kept = file.metadata().ok()?.modified().ok()?;
        let mut whole = Vec::new();
        // A clock that was set back makes a file from the future: it counts as new, and is fetched anew at once.
        let age = SystemTime::now().duration_since(kept).unwrap_or_default();
        file.take((KeySet::BYTES_MAX + source.len() + 1) as u64).read_to_end(&mut whole).ok()?;
        let document = whole.strip_prefix(source.as_bytes())?.strip_prefix(b"\n")?;
        Some((document.to_vec(), age))
    }

    fn path(&self, source: &str) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        source.hash(&mut hasher);
        self.room.join(format!("jwks-{:016x}", hasher.finish()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_kept_is_found_by_its_source_only() {
        let room = tempfile::tempdir().unwrap();
        let store = Store::new(room.path().join("state"));
        assert!(store.find("https://a/").is_none());
        store.put("https://a/", b"{}").unwrap();
        store.put("https://a/", b"{\"keys\":[]}").unwrap();
        let (document, age) = store.find("https://a/").unwrap();
        assert_eq!(document, b"{\"keys\":[]}");
        assert!(age < Duration::from_secs(60));
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&store.path("https://a/")), mode(&store.room)), (0o600, 0o700));
        std::fs::rename(store.path("https://a/"), store.path("https://b/")).unwrap();
        assert!(store.find("https://b/").is_none(), "it names another source");
    }
}
