//! Every file in `config/bad` says exactly what stands beside it. `WEIR_BLESS=1` writes down what is said now.

use std::fs;
use std::path::{Path, PathBuf};

use weir_schema::diagnostic::Style;
use weir_schema::lookup::Fixed;
use weir_schema::{Format, Sources, parse};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/bad")
}

fn said(path: &Path) -> String {
    let mut lookup = Fixed::default();
    lookup.credentials.insert("admin".to_owned(), "a long secret".to_owned());
    let name = path.file_name().unwrap().to_string_lossy();
    let sources = Sources::one(name, fs::read_to_string(path).unwrap());
    parse(&sources, &lookup).report.write(&sources, Format::Text, Style::Plain)
}

/// The lines that differ, as a patch would show them.
fn difference(expect: &str, found: &str) -> String {
    let (expect, found): (Vec<_>, Vec<_>) = (expect.lines().collect(), found.lines().collect());
    let same = expect.iter().zip(&found).take_while(|(a, b)| a == b).count();
    let end = expect[same..].iter().rev().zip(found[same..].iter().rev()).take_while(|(a, b)| a == b).count();
    let minus = expect[same..expect.len() - end].iter().map(|line| format!("-{line}\n"));
    let plus = found[same..found.len() - end].iter().map(|line| format!("+{line}\n"));
    minus.chain(plus).collect()
}

#[test]
fn bad_files_say_exactly_what_is_expected() {
    let bless = std::env::var_os("WEIR_BLESS").is_some();
    let mut files: Vec<_> = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    assert!(files.len() >= 60, "only {} bad files", files.len());
    let mut failures = String::new();
    for path in files {
        let (expected, found) = (path.with_extension("txt"), said(&path));
        assert!(!found.is_empty(), "{} is not bad", path.display());
        let expect = fs::read_to_string(&expected).unwrap_or_default();
        if bless {
            fs::write(&expected, &found).unwrap();
        } else if expect != found {
            failures += &format!("{}:\n{}", path.display(), difference(&expect, &found));
        }
    }
    assert!(failures.is_empty(), "{failures}WEIR_BLESS=1 accepts what is said now");
}
