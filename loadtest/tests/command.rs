//! The command line by its goldens: what is said of bad scenarios, the schema, and the exit codes that need no load.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on says where")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn loadtest(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_weir-loadtest");
    Command::new(program).args(arguments).current_dir(folder()).output().unwrap()
}

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn yaml(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files
}

/// Compares with a file, or writes it when asked to.
fn golden(path: &Path, found: &str) {
    if std::env::var_os("WEIR_BLESS").is_some() {
        fs::write(path, found).unwrap();
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(found, expected, "{}: WEIR_BLESS=1 accepts what is said now", path.display());
}

#[test]
fn bad_scenarios_say_exactly_what_is_expected() {
    let files = yaml(&folder().join("tests/bad"));
    assert!(files.len() >= 8, "only {} bad scenarios", files.len());
    for path in files {
        let name = format!("tests/bad/{}", path.file_name().unwrap().to_string_lossy());
        let output = loadtest(&["run", "--check", &name]);
        assert_eq!(output.status.code(), Some(1), "{name}");
        golden(&path.with_extension("txt"), &String::from_utf8(output.stderr).unwrap());
    }
}

#[test]
fn committed_scenarios_are_good_and_bear_their_names() {
    let files = yaml(&folder().join("scenarios"));
    assert!(files.len() >= 15, "only {} scenarios", files.len());
    for path in files {
        let output = loadtest(&["run", "--check", &path.to_string_lossy()]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let named = format!("\nname: {}\n", path.file_stem().unwrap().to_string_lossy());
        assert!(fs::read_to_string(&path).unwrap().contains(&named), "{} has another name", path.display());
    }
}

#[test]
fn the_scenario_of_the_documents_is_good() {
    let text = fs::read_to_string(folder().join("../docs/loadtest.md")).unwrap();
    let scenarios: Vec<&str> =
        text.split("\n```\n").filter(|piece| piece.starts_with("version: 1")).collect();
    assert_eq!(scenarios.len(), 1);
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("orders.yaml");
    fs::write(&path, scenarios[0]).unwrap();
    let output = loadtest(&["run", "--check", &path.to_string_lossy()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_schema_of_scenarios_is_current() {
    let output = loadtest(&["schema"]);
    golden(&folder().join("schema.json"), &String::from_utf8(output.stdout).unwrap());
}

#[test]
fn a_comparison_says_what_changed_and_how_sure_that_is() {
    let check = |before: &str, after: &str, said: &str| {
        let output = loadtest(&["compare", before, after]);
        assert!(output.status.success(), "{output:?}");
        golden(&folder().join("tests/compare").join(said), &String::from_utf8(output.stdout).unwrap());
    };
    check("tests/compare/before.json", "tests/compare/after.json", "said.txt");
    check("tests/compare/siege-before.json", "tests/compare/siege-after.json", "siege-said.txt");
}

#[test]
fn reports_of_different_scenarios_are_not_compared() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str| {
        let path = folder.path().join(format!("{name}.json"));
        fs::write(&path, format!(r#"{{ "version": 1, "scenario": "{name}", "subjects": [] }}"#)).unwrap();
        path.to_string_lossy().into_owned()
    };
    let output = loadtest(&["compare", &write("a"), &write("b")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("different scenarios"), "{output:?}");
}
