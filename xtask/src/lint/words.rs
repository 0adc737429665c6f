//! Words that must not stand in any file.

use super::{Finding, Rule};
use crate::lint::tree::Tree;

pub(super) const UNFINISHED: Rule = Rule {
    name: "unfinished",
    explain: "no file says that something is still to be done. What is missing is an issue; what is there is done. \
              Emoji are refused here too, but for the input of a test.",
    check: |tree| {
        search(tree, |line, is_test| {
            if let Some(word) = UNFINISHED_WORDS.iter().find(|word| has_word(line, word)) {
                return Some(format!("{word}: do it or open an issue"));
            }
            (!is_test && line.chars().any(is_emoji)).then(|| "an emoji; use a word".to_owned())
        })
    },
};

pub(super) const FOREIGN: Rule = Rule {
    name: "foreign-words",
    explain: "no file names a folder of one machine or the host of a package registry: neither means anything to a \
              reader elsewhere, and a registry may be a mirror. Lock files are exempt. Write paths from the root of \
              the checkout, and name a crate or a package, not where it was fetched.",
    check: |tree| {
        search(tree, |line, _| {
            let found = FOREIGN_WORDS.iter().find(|word| line.contains(*word));
            found.map(|word| format!("{word} means nothing elsewhere; leave it out"))
        })
    },
};

// Split so that this file does not contain what it looks for.
const UNFINISHED_WORDS: [&str; 4] =
    [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX"), concat!("HA", "CK")];
const FOREIGN_WORDS: [&str; 12] = [
    concat!("/tmp", "/wt"),
    concat!("/tmp", "/bin/"),
    concat!("/tmp", "/target-"),
    concat!("/tmp", "/ebpf-toolchain"),
    concat!("/work", "/main"),
    concat!("/work", "/shared"),
    concat!("/root", "/."),
    concat!("index.crates", ".io"),
    concat!("static.crates", ".io"),
    concat!("registry.npmjs", ".org"),
    concat!("files.pythonhosted", ".org"),
    concat!("deb.debian", ".org"),
];

/// Text files a person or a generator wrote; lock files name registries by their nature.
fn search(tree: &Tree, find: impl Fn(&str, bool) -> Option<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.files().filter(|(path, _)| !path.ends_with("Cargo.lock")) {
        let source = tree.source(path);
        for (line, text) in (1..).zip(text.lines()) {
            let is_test = source.is_some_and(|source| source.in_test(line));
            findings.extend(find(text, is_test).map(|what| Finding::new(path, line, what)));
        }
    }
    findings
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|letter: char| !letter.is_ascii_alphanumeric()).any(|found| found == word)
}

fn is_emoji(letter: char) -> bool {
    matches!(u32::from(letter), 0x1F000..=0x1FAFF | 0x2705 | 0x274C | 0x2B50 | 0xFE0F)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::finding::places;

    #[test]
    fn each_word_is_found_and_its_neighbours_are_not() {
        for word in UNFINISHED_WORDS {
            assert_eq!(places(&UNFINISHED, &[("a.md", &format!("x\n({word}: y)\n"))]), ["a.md:2"], "{word}");
            assert!(
                places(&UNFINISHED, &[("a.md", &format!("{word}S {}\n", word.to_lowercase()))]).is_empty()
            );
        }
        assert_eq!(places(&UNFINISHED, &[("a.md", "done \u{1F680}\n")]), ["a.md:1"]);
        assert_eq!(places(&UNFINISHED, &[("a/src/a.rs", "// \u{1F680}\n")]), ["a/src/a.rs:1"]);
        assert!(places(&UNFINISHED, &[("a/tests/a.rs", "// \u{1F680}\n")]).is_empty());
        for word in FOREIGN_WORDS {
            assert_eq!(
                places(&FOREIGN, &[("config/a.yaml", &format!("a: {word}x\n"))]),
                ["config/a.yaml:1"],
                "{word}"
            );
        }
        assert!(places(&FOREIGN, &[("Cargo.lock", FOREIGN_WORDS[7])]).is_empty());
        assert!(places(&FOREIGN, &[("a.md", "/tmp/weir-x and /var/lib/weir\n")]).is_empty());
    }
}
