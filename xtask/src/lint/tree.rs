//! The files the rules look at: those of the checkout, or a made-up few in a test.

use super::source::{Source, test_modules};
use anyhow::{Context, Result};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// A text file above this is data, not something a person wrote.
const READ_MAX: u64 = 4 << 20;

/// Every text file of a checkout, by its path from the root with forward slashes.
pub(super) struct Tree {
    /// Where the checkout lies; absent for a tree made up in a test.
    pub(super) root: Option<PathBuf>,
    files: BTreeMap<String, String>,
    sources: BTreeMap<String, Source>,
    /// Files that do not parse, with the reason.
    pub(super) unreadable: Vec<(String, usize, String)>,
}

impl Tree {
    /// Reads a checkout, without what is built or vendored.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        collect(root, "", &mut files)?;
        Ok(Self::with(Some(root.to_owned()), files))
    }

    /// A tree made up from paths and contents.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        Self::with(None, files.iter().map(|&(path, text)| (path.to_owned(), text.to_owned())).collect())
    }

    fn with(root: Option<PathBuf>, files: BTreeMap<String, String>) -> Self {
        let mut sources = BTreeMap::new();
        let mut unreadable = Vec::new();
        for (path, text) in files.iter().filter(|(path, _)| path.ends_with(".rs")) {
            match Source::parse(path, text) {
                Ok(source) => drop(sources.insert(path.clone(), source)),
                Err(error) => unreadable.push((path.clone(), error.span().start().line, error.to_string())),
            }
        }
        let of_tests: BTreeSet<String> =
            sources.iter().flat_map(|(path, source)| test_modules(path, source)).collect();
        for (path, source) in &mut sources {
            source.is_test |= of_tests.iter().any(|module| belongs(path, module));
        }
        Self { root, files, sources, unreadable }
    }

    /// Every file with its text.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The text of one file.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// One Rust file, parsed.
    pub(super) fn source(&self, path: &str) -> Option<&Source> {
        self.sources.get(path)
    }

    /// Every Rust file, parsed.
    pub(super) fn sources(&self) -> impl Iterator<Item = (&str, &Source)> {
        self.sources.iter().map(|(path, source)| (path.as_str(), source))
    }

    /// Every Rust file that is not a test through and through.
    pub(super) fn code(&self) -> impl Iterator<Item = (&str, &Source)> {
        self.sources().filter(|(_, source)| !source.is_test)
    }

    /// Every package manifest, with the folder it stands in.
    pub(super) fn manifests(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.files()
            .filter_map(|(path, text)| path.strip_suffix("/Cargo.toml").map(|folder| (folder, path, text)))
    }
}

/// Whether a file is the module `module` (a path without `.rs`) or lies below it.
fn belongs(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

fn collect(root: &Path, folder: &str, files: &mut BTreeMap<String, String>) -> Result<()> {
    let place = root.join(folder);
    for entry in fs::read_dir(&place).with_context(|| format!("cannot read {}", place.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        let kind = entry.file_type()?;
        if matches!(name.as_str(), ".git" | "target" | "vendor" | "corpus") {
            continue;
        }
        if kind.is_dir() {
            collect(root, &path, files)?;
        } else if kind.is_file()
            && entry.metadata()?.len() <= READ_MAX
            && let Ok(text) = String::from_utf8(fs::read(entry.path())?)
        {
            files.insert(path, text);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_only_tests_declare_is_a_test() {
        let tree = Tree::of(&[
            ("a/src/lib.rs", "#[cfg(test)]\nmod fake;\nmod real;\n"),
            ("a/src/fake.rs", ""),
            ("a/src/fake/deep.rs", ""),
            ("a/src/real.rs", "#[cfg(test)]\nmod wire;\n"),
            ("a/src/real/wire.rs", ""),
            ("a/src/real/tests.rs", ""),
            ("a/tests/whole.rs", ""),
        ]);
        let code: Vec<_> = tree.code().map(|(path, _)| path).collect();
        assert_eq!(code, ["a/src/lib.rs", "a/src/real.rs"]);
    }
}
