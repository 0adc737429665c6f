//! The documents are held to their word: every verb and option that they name exists, every configuration in them is valid.

use crate::process::weir;
use libtest_mimic::{Failed, Trial};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("documents::every_command_exists", commands),
        Trial::test("documents::every_configuration_is_valid", configurations),
        Trial::test("documents::every_attack_has_the_test_that_is_named", attacks),
    ]
}

/// Every document for operators.
fn documents() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let beside = ["README.md", "systemd/README.md", "CHANGELOG.md"].map(|name| root.join(name));
    let paths = folder.chain(beside).filter(|path| path.extension().is_some_and(|kind| kind == "md"));
    paths.map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

/// Every source of the programs, in one piece.
fn sources(folder: &Path, all: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() && !entry.ends_with("target") {
            sources(&entry, all);
        } else if entry.extension().is_some_and(|kind| kind == "rs") {
            all.push_str(&std::fs::read_to_string(&entry).unwrap());
        }
    }
}

/// A name that ends in `…` stands for all that begin like it.
fn attacks() -> Result<(), Failed> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = std::fs::read_to_string(root.join("docs/attacks.md"))?;
    let mut all = String::new();
    sources(&root.join("userspace"), &mut all);
    let rows = text.lines().filter(|line| line.starts_with("| ")).filter_map(|line| line.rsplit('|').nth(1));
    let quoted = rows.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let names: BTreeSet<&str> =
        quoted.flat_map(|span| span.split(' ').skip(1)).filter(|name| *name != "to").collect();
    let is_there = |name: &str| {
        let own = name.rsplit("::").next().unwrap_or(name);
        match own.strip_suffix('…') {
            Some(begin) => ["\"", "fn ", "::"].iter().any(|before| all.contains(&format!("{before}{begin}"))),
            None => [format!("\"{own}\""), format!("::{own}\""), format!("fn {own}(")]
                .iter()
                .any(|text| all.contains(text)),
        }
    };
    let missing: Vec<&str> = names.iter().copied().filter(|name| !is_there(name)).collect();
    assert!(
        missing.is_empty() && names.len() > 60,
        "{} tests are named, not among them: {missing:?}",
        names.len()
    );
    Ok(())
}

/// What stands between fences of this kind.
fn fenced<'a>(text: &'a str, kind: &str) -> Vec<&'a str> {
    let pieces = text.split("\n```").skip(1).step_by(2);
    pieces
        .filter_map(|piece| piece.split_once('\n'))
        .filter(|(head, _)| *head == kind)
        .map(|(_, body)| body)
        .collect()
}

/// Every `weir …` of a text: lines between fences, and what stands between backticks.
fn calls(text: &str) -> BTreeSet<String> {
    let prose: String = text.split("\n```").step_by(2).collect();
    let inline = prose.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let lines = fenced(text, "")
        .into_iter()
        .flat_map(str::lines)
        .map(|line| line.split('#').next().unwrap_or("").to_owned());
    let calls =
        inline.into_iter().chain(lines).map(|call| call.split_whitespace().collect::<Vec<_>>().join(" "));
    calls.filter(|call| call.starts_with("weir ")).collect()
}

/// The help of a verb; none if there is no such verb.
fn help(words: &[&str]) -> Option<String> {
    let output = weir().args(words).arg("--help").output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

fn commands() -> Result<(), Failed> {
    let mut seen = 0;
    for (path, text) in documents() {
        for call in calls(&text) {
            let words: Vec<&str> = call.split(' ').skip(1).collect();
            let plain =
                |word: &&&str| word.bytes().all(|byte| byte.is_ascii_lowercase() || b"-|".contains(&byte));
            let names: Vec<&str> =
                words.iter().take_while(plain).take_while(|word| !word.starts_with('-')).copied().collect();
            let Some((verb, rest)) = names.split_first().filter(|(verb, _)| **verb != "help") else {
                continue;
            };
            for verb in verb.split('|') {
                let own =
                    help(&[verb]).ok_or_else(|| format!("{}: `{call}`: no such verb", path.display()))?;
                let subs: Vec<&str> = rest.first().map_or(Vec::new(), |subs| subs.split('|').collect());
                let mut told = own.clone();
                for sub in subs.iter().filter(|_| own.contains("\nCommands:")) {
                    told = help(&[verb, sub])
                        .ok_or_else(|| format!("{}: `{call}`: no such verb", path.display()))?;
                }
                let options = words.iter().filter(|word| word.starts_with('-') || word.starts_with("[-"));
                for option in options {
                    let name = option.trim_start_matches('[').split(['=', '[', ']']).next().unwrap_or("");
                    assert!(
                        told.contains(name),
                        "{}: `{call}`: there is no {name} in\n{told}",
                        path.display()
                    );
                }
            }
            seen += 1;
        }
    }
    assert!(seen > 30, "only {seen} calls were found");
    Ok(())
}

fn configurations() -> Result<(), Failed> {
    let room = tempfile::tempdir()?;
    let file = room.path().join("weir.yaml");
    let mut seen = 0;
    for (path, text) in documents() {
        for body in fenced(&text, "yaml") {
            let mut whole = String::new();
            for (key, rest) in [
                ("version:", "version: 1\n"),
                ("listeners:", "listeners: [ { bind: \":8080\" } ]\n"),
                ("routes:", "routes: [ { match: /*, respond: {} } ]\n"),
            ] {
                if !body.lines().any(|line| line.starts_with(key)) {
                    whole += rest;
                }
            }
            std::fs::write(&file, whole + body)?;
            let output = weir().args(["validate", "--offline", "-c"]).arg(&file).output()?;
            let said = [output.stdout, output.stderr].concat();
            assert!(
                output.status.success(),
                "{}\n{body}\n{}",
                path.display(),
                String::from_utf8_lossy(&said)
            );
            seen += 1;
        }
    }
    assert!(seen >= 2, "only {seen} configurations were found");
    Ok(())
}
