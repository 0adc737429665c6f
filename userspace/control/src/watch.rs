//! Files that may be replaced while the program runs: asked for now and then whether they are what they were.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Files that are watched. A change counts once they have stopped changing, so that a certificate is not read between its
/// own arrival and that of its key.
#[derive(Debug, Default)]
pub struct Watch {
    marks: BTreeMap<PathBuf, Mark>,
    changed: bool,
}

/// What tells a file from another in its place. Links are followed, so that one that points elsewhere tells as well;
/// a file that is not there has none.
type Mark = Option<(u64, u64, u64, i64, i64)>;

impl Watch {
    /// Watches these files from now on. What they hold is to be read once more at the next quiet moment, in case it has
    /// changed since it was read.
    pub fn sync(&mut self, files: impl IntoIterator<Item = PathBuf>) {
        self.marks = files.into_iter().map(|path| (path, None)).collect();
        self.changed = true;
    }

    /// Whether the files have changed, and have not changed any more since the look before. Says so once.
    pub fn look(&mut self) -> bool {
        let mut quiet = true;
        for (path, mark) in &mut self.marks {
            let found = self::mark(path);
            quiet &= found == *mark;
            *mark = found;
        }
        self.changed |= !quiet;
        quiet && std::mem::take(&mut self.changed)
    }
}

fn mark(path: &Path) -> Mark {
    let found = std::fs::metadata(path).ok()?;
    // The time of the last change of the entry cannot be set back, as that of its content can.
    Some((found.dev(), found.ino(), found.len(), found.ctime(), found.ctime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_change_is_told_once_and_only_when_it_is_over() {
        let room = tempfile::tempdir().unwrap();
        let [file, other] = ["a.pem", "b.pem"].map(|name| room.path().join(name));
        std::fs::write(&file, "one").unwrap();
        let mut watch = Watch::default();
        watch.sync([file.clone(), other.clone()]);
        assert_eq!(
            [watch.look(), watch.look(), watch.look()],
            [false, true, false],
            "read once more at first"
        );
        std::fs::write(&other, "it appears").unwrap();
        assert!(!watch.look(), "it may still be written");
        std::fs::write(&other, "it has grown").unwrap();
        assert!(!watch.look());
        assert_eq!([watch.look(), watch.look()], [true, false]);
        std::fs::remove_file(&file).unwrap();
        assert_eq!([watch.look(), watch.look(), watch.look()], [false, true, false]);
    }

    /// As certbot and Kubernetes do it: the name stays, what it leads to is another.
    #[test]
    fn a_link_that_leads_elsewhere_is_a_change() {
        let room = tempfile::tempdir().unwrap();
        let at = |name: &str| room.path().join(name);
        for version in ["1", "2"] {
            std::fs::create_dir(at(version)).unwrap();
            std::fs::write(at(version).join("tls.crt"), "same").unwrap();
        }
        symlink("1", at("data")).unwrap();
        let mut watch = Watch::default();
        watch.sync([at("data").join("tls.crt")]);
        assert_eq!([watch.look(), watch.look(), watch.look()], [false, true, false]);
        symlink("2", at("next")).unwrap();
        std::fs::rename(at("next"), at("data")).unwrap();
        assert_eq!([watch.look(), watch.look(), watch.look()], [false, true, false]);
    }
}
