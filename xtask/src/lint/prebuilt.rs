//! The committed XDP object belongs to the committed sources.

use super::{Finding, Rule};
use crate::{ebpf::tree as objects, lint::tree::Tree};
use std::path::Path;

pub(super) const RULE: Rule = Rule {
    name: "prebuilt",
    explain: "ebpf/prebuilt/MANIFEST carries the hash of the sources the object was built from and the hash of the \
              object. Both must fit, or an untouched checkout would not build. This looks at the hashes only; \
              `cargo xtask build-ebpf --check` rebuilds the object and compares its bytes.",
    check,
};

fn check(tree: &Tree) -> Vec<Finding> {
    tree.root.as_deref().and_then(judge).into_iter().collect()
}

fn judge(root: &Path) -> Option<Finding> {
    let path = "ebpf/prebuilt/MANIFEST";
    match objects::hash(root) {
        Err(error) => Some(Finding::new(path, 0, format!("cannot hash ebpf/: {error}"))),
        Ok(sources) if objects::prebuilt(root).fits(&sources) => None,
        Ok(_) => Some(Finding::new(
            path,
            0,
            "does not fit the sources and the object; run `cargo xtask build-ebpf --bless` and commit ebpf/prebuilt",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A checkout with one source file and an object that was built from it.
    fn checkout() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("ebpf/Cargo.toml", ""),
            ("ebpf/Cargo.lock", ""),
            ("ebpf/xdp/src/main.rs", "fn main() {}"),
            ("ebpf/wire/src/lib.rs", ""),
            ("ebpf/wire/tests/parse.rs", ""),
            ("ebpf/prebuilt/weir.bpf.o", "object"),
        ] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let sources = objects::hash(root.path()).unwrap();
        let manifest = format!("object = {}\nsources = {sources}\n", objects::sha256(b"object"));
        fs::write(root.path().join("ebpf/prebuilt/MANIFEST"), manifest).unwrap();
        root
    }

    #[test]
    fn an_untouched_checkout_fits() {
        assert!(judge(checkout().path()).is_none());
    }

    #[test]
    fn any_change_but_one_of_tests_is_found() {
        for (path, found) in [
            ("ebpf/xdp/src/main.rs", true),
            ("ebpf/xdp/src/new.rs", true),
            ("ebpf/wire/src/lib.rs", true),
            ("ebpf/Cargo.lock", true),
            ("ebpf/prebuilt/weir.bpf.o", true),
            ("ebpf/prebuilt/MANIFEST", true),
            ("ebpf/wire/tests/parse.rs", false),
            ("ebpf/wire/README.md", false),
        ] {
            let root = checkout();
            fs::write(root.path().join(path), "changed").unwrap();
            assert_eq!(judge(root.path()).is_some(), found, "{path}");
        }
    }

    #[test]
    fn a_moved_file_is_a_change() {
        let root = checkout();
        let source = root.path().join("ebpf/xdp/src");
        fs::rename(source.join("main.rs"), source.join("other.rs")).unwrap();
        assert!(judge(root.path()).is_some());
    }
}
