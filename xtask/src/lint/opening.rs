//! Every file says in its first line what lives in it.

use super::{Finding, Rule};
use crate::lint::tree::Tree;

pub(super) const RULE: Rule = Rule {
    name: "first-line",
    explain: "every Rust file begins with a `//!` line that says in one sentence what lives there. A reader decides \
              from it whether to read on; who cannot write it has put two things into one file. A file that does not \
              parse is reported here too.",
    check,
};

fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<_> = tree
        .unreadable
        .iter()
        .map(|(path, line, error)| Finding::new(path, *line, format!("does not parse: {error}")))
        .collect();
    for (path, source) in tree.sources() {
        let first = source.text.lines().next().unwrap_or_default();
        if first.strip_prefix("//!").is_none_or(|text| text.trim().len() < 5) {
            findings.push(Finding::new(
                path,
                1,
                "begin the file with a `//!` line that says what lives here",
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::finding::places;

    #[test]
    fn the_first_line_must_say_something() {
        for (text, expect) in [
            ("//! What lives here.\nfn a() {}\n", 0),
            ("fn a() {}\n", 1),
            ("//!\n//! late\n", 1),
            ("// What lives here.\n", 1),
            ("", 1),
            ("//! Broken.\nfn {\n", 1),
        ] {
            assert_eq!(places(&RULE, &[("userspace/plan/src/a.rs", text)]).len(), expect, "{text:?}");
        }
    }
}
