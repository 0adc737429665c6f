//! Every file in `config/bad` says exactly what stands beside it. `WEIR_BLESS=1` writes down what is said now.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::fs;
use std::path::{Path, PathBuf};

use weir_schema::diagnostic::Style;
use weir_schema::lookup::Fixed;
use weir_schema::{Code, Format, Sources, fmt, parse};

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
            failures += &fmt::unified(&expected.to_string_lossy(), &expect, &found);
        }
    }
    assert!(failures.is_empty(), "{failures}WEIR_BLESS=1 accepts what is said now");
}

/// What only a plan or the kernel can find, and has tests of its own there.
const FOUND_LATER: &[Code] = &[
    Code::Regex,
    Code::Compile,
    Code::ListLine,
    Code::Shadowed,
    Code::Unreached,
    Code::Tier,
    Code::SecretReadable,
    Code::Expiring,
];

#[test]
fn every_code_has_a_bad_file() {
    let texts = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path());
    let texts = texts.filter(|path| path.extension().is_some_and(|extension| extension == "txt"));
    let said: String = texts.map(|path| fs::read_to_string(path).unwrap()).collect();
    for code in Code::ALL {
        let is_said = said.contains(&format!("[{}]", code.as_str()));
        assert_ne!(is_said, FOUND_LATER.contains(code), "{}: {}", code.as_str(), code.title());
    }
}
