//! The same lines in two places.

use super::{Finding, Rule};
use crate::lint::tree::Tree;
use std::collections::HashMap;

pub(super) const RULE: Rule = Rule {
    name: "duplicates",
    explain: "eight lines of code in a row stand in one place only. A second copy is mended in one place and forgotten \
              in the other; give it a name and call it twice. Indentation, blank lines, comments, imports and lines of \
              mere brackets do not count, and tests are free.",
    check,
};

/// So many significant lines in a row make a copy.
const BLOCK: usize = 8;

/// A significant line: its file, its number, its text.
struct Line<'a> {
    path: &'a str,
    number: usize,
    text: &'a str,
}

fn check(tree: &Tree) -> Vec<Finding> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (path, source) in tree.code() {
        let significant = significant(source.lines());
        lines.extend(significant.map(|(number, text)| Line { path, number, text }));
    }
    let mut seen: HashMap<Vec<&str>, usize> = HashMap::new();
    let mut findings = Vec::new();
    // One past the last line of the copy that was reported last.
    let mut reported = 0;
    for (at, window) in lines.windows(BLOCK).enumerate() {
        let (Some(first), Some(last)) = (window.first(), window.last()) else { continue };
        if first.path != last.path {
            continue;
        }
        let texts = window.iter().map(|line| line.text).collect();
        let original = *seen.entry(texts).or_insert(at);
        if original + BLOCK <= at && at >= reported {
            let length = length(&lines, original, at);
            reported = at + length;
            if let Some(origin) = lines.get(original) {
                let what = format!(
                    "{length} lines as in {}:{}; give them a name and keep one",
                    origin.path, origin.number
                );
                findings.push(Finding::new(first.path, first.number, what));
            }
        }
    }
    findings
}

/// How far two blocks agree.
fn length(lines: &[Line<'_>], original: usize, copy: usize) -> usize {
    let pairs = lines.iter().skip(original).zip(lines.iter().skip(copy));
    let (Some(a), Some(b)) = (lines.get(original), lines.get(copy)) else { return 0 };
    pairs.take_while(|(x, y)| x.text == y.text && x.path == a.path && y.path == b.path).count()
}

/// Lines that carry meaning, trimmed.
fn significant<'a>(lines: impl Iterator<Item = (usize, &'a str)>) -> impl Iterator<Item = (usize, &'a str)> {
    let mut in_import = false;
    lines.filter_map(move |(number, text)| {
        let text = text.trim();
        if text.starts_with("use ") || text.starts_with("pub use ") {
            in_import = true;
        }
        let is_import = in_import;
        if in_import && text.ends_with(';') {
            in_import = false;
        }
        let says_something = text.bytes().any(|byte| byte.is_ascii_alphanumeric());
        let is_code = !text.starts_with("//") && !text.starts_with("#[") && !text.starts_with("#!");
        (says_something && is_code && !is_import).then_some((number, text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::finding::places;

    fn block(lines: usize) -> String {
        (0..lines).map(|line| format!("    step_{line}(x);\n\n    // why\n    }}\n")).collect()
    }

    #[test]
    fn seven_lines_may_stand_twice() {
        let text = format!("//! A.\nfn a() {{\n{}}}\nfn b() {{\n{}}}\n", block(7), block(7));
        assert!(significant_pairs(&text).is_empty());
    }

    fn significant_pairs(text: &str) -> Vec<String> {
        // The braces of `block` do not parse, so they are closed here.
        places(&RULE, &[("userspace/plan/src/a.rs", &text.replace("    }\n", "    {}\n"))])
    }

    #[test]
    fn eight_lines_in_one_file_are_found_once() {
        let text = format!("//! A.\nfn a() {{\n{}}}\nfn b() {{\n{}}}\n", block(12), block(12));
        assert_eq!(significant_pairs(&text), ["userspace/plan/src/a.rs:53"]);
    }

    #[test]
    fn copies_between_files_are_found_but_tests_are_free() {
        let text = format!("//! A.\nfn a() {{\n{}}}\n", block(8)).replace("    }\n", "    {}\n");
        let other = "userspace/proxy/src/b.rs";
        assert_eq!(
            places(&RULE, &[("userspace/plan/src/a.rs", &text), (other, &text)]),
            [format!("{other}:2")]
        );
        assert!(
            places(&RULE, &[("userspace/plan/src/a.rs", &text), ("userspace/plan/tests/a.rs", &text)])
                .is_empty()
        );
    }

    #[test]
    fn imports_do_not_count() {
        let text = format!("//! A.\nuse a::{{\n{}}};\n", "    b,\n".repeat(9));
        let other = "userspace/proxy/src/b.rs";
        assert!(places(&RULE, &[("userspace/plan/src/a.rs", &text), (other, &text)]).is_empty());
    }
}
