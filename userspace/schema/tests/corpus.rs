//! Whatever stands in a file, reading it ends, and nothing panics: every file in `config`, torn and patched by a fixed seed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::fs;
use std::path::{Path, PathBuf};

use weir_schema::lookup::Anything;
use weir_schema::{Sources, parse};

#[path = "corpus/survive.rs"]
mod survive;

use survive::survive;

/// How often each file is changed and read.
const ROUNDS: usize = 12;

/// What is put into files: pieces that mean something to YAML or to this language.
const PIECES: &[&str] = &[
    "\t",
    "\n",
    "  ",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "#",
    "&a ",
    "*a",
    "|\n",
    ">-\n",
    "? ",
    "---\n",
    "...\n",
    "!!str ",
    "${",
    "${X}",
    "$${",
    "%",
    "null",
    "~",
    "-1",
    "99999999999999999999",
    "\u{0}",
    "\u{feff}",
    "\u{202e}",
    "é",
    "🦀",
    "<<: *a",
    "0x1F",
    "1e9",
    "::1",
    "/*",
    "~^(",
    "burst",
    "\r",
];

/// A sequence that is the same in every run (xorshift, Marsaglia 2003).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn torn(text: &str, dice: &mut Dice) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=dice.below(4) {
        let at = dice.below(chars.len().saturating_add(1));
        let end = at.saturating_add(dice.below(8)).min(chars.len());
        match dice.below(4) {
            0 => drop(chars.drain(at..end)),
            1 => drop(chars.splice(at..at, PIECES.get(dice.below(PIECES.len())).unwrap().chars())),
            2 => {
                let copy: Vec<char> = chars.get(at..end).unwrap().to_vec();
                let to = dice.below(chars.len().saturating_add(1));
                drop(chars.splice(to..to, copy));
            }
            _ => chars.truncate(at.max(chars.len() / 2)),
        }
    }
    chars.into_iter().collect()
}

#[test]
fn torn_files_are_refused_and_not_feared() {
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    for path in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config")) {
        let text = fs::read_to_string(&path).unwrap();
        survive(&text);
        for _ in 0..ROUNDS {
            survive(&torn(&text, &mut dice));
        }
    }
}

/// What fuzzing has found, and where it starts from.
#[test]
fn the_corpus_of_the_fuzz_target_is_survived() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/config");
    let inputs: Vec<PathBuf> = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(inputs.len() >= 5, "only {} inputs", inputs.len());
    for path in inputs {
        if let Ok(text) = String::from_utf8(fs::read(path).unwrap()) {
            survive(&text);
        }
    }
}

#[test]
fn an_alias_cannot_grow_without_bound() {
    let mut text = String::from("a: &a [ x, x, x, x, x, x, x, x, x ]\n");
    for (one, next) in ('a'..'i').zip('b'..) {
        let copies = vec![format!("*{one}"); 9].join(", ");
        text += &format!("{next}: &{next} [ {copies} ]\n");
    }
    let sources = Sources::one("bomb.yaml", text);
    let outcome = parse(&sources, &Anything);
    assert!(outcome.config.is_none());
    assert!(
        outcome.report.iter().any(|found| found.code == weir_schema::Code::TooLarge),
        "{:?}",
        outcome.report
    );
}
