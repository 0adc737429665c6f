//! Unsafe code: where it may stand, and the sentence it owes.

use super::{Finding, Rule};
use crate::lint::{source::Source, tree::Tree};

pub(super) const COMMENTED: Rule = Rule {
    name: "safety-comment",
    explain: "every unsafe block and unsafe impl stands under a comment that begins with `SAFETY:`, names the \
              invariant it relies on and who keeps it; an unsafe function has a `# Safety` section. The check looks \
              inside macros and at the XDP program too, where clippy does not.",
    check: commented,
};

pub(super) const PLACED: Rule = Rule {
    name: "unsafe-place",
    explain: "unsafe code lives in reactor, kernel and ebpf/xdp only (and in files of tests, for a counting \
              allocator, say). The pure rooms forbid it to the compiler with `#![forbid(unsafe_code)]` in lib.rs. \
              What needs unsafe elsewhere belongs into one of the three, behind a safe function.",
    check: placed,
};

const ROOMS: [&str; 3] = ["userspace/reactor/", "userspace/kernel/", "ebpf/xdp/"];
const PURE: [&str; 6] = [
    "ebpf/wire/src/lib.rs",
    "userspace/message/src/lib.rs",
    "userspace/meter/src/lib.rs",
    "userspace/plan/src/lib.rs",
    "userspace/policy/src/lib.rs",
    "userspace/schema/src/lib.rs",
];

/// What stands behind the word `unsafe`.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Block,
    Implementation,
    Function,
}

fn commented(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, source) in tree.sources() {
        for (line, kind) in places_of_unsafe(source) {
            let marker = if kind == Kind::Function { "# Safety" } else { "SAFETY:" };
            if !is_explained(&source.text, line, marker) {
                let what = format!("say above it under `{marker}` which invariant holds and who keeps it");
                findings.push(Finding::new(path, line, what));
            }
        }
    }
    findings
}

fn placed(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, source) in tree.code() {
        if ROOMS.iter().any(|room| path.starts_with(room)) {
            continue;
        }
        for (line, _) in places_of_unsafe(source) {
            let what = "unsafe code lives in reactor, kernel and ebpf/xdp; call a safe function of theirs";
            findings.push(Finding::new(path, line, what));
        }
        if PURE.contains(&path) && !source.text.lines().any(|line| line.trim() == "#![forbid(unsafe_code)]") {
            findings.push(Finding::new(path, 0, "a pure room says `#![forbid(unsafe_code)]`"));
        }
    }
    findings
}

/// Lines where unsafe code begins. Read from tokens, so that the bodies of macros are seen.
fn places_of_unsafe(source: &Source) -> Vec<(usize, Kind)> {
    let tokens = source.all_tokens();
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate().filter(|(_, token)| token.text == "unsafe") {
        let mut next = tokens.iter().skip(at + 1).map(|token| token.text.as_str());
        match next.next() {
            Some("{") => found.push((token.line, Kind::Block)),
            Some("impl") => found.push((token.line, Kind::Implementation)),
            // `unsafe fn(u8)` without a name is a type.
            Some("fn") if next.next() != Some("(") => found.push((token.line, Kind::Function)),
            _ => {}
        }
    }
    found
}

/// Whether the comment that leads to a line, or the line itself, holds the marker. Lines of the same statement and
/// attributes between the two are passed over.
fn is_explained(text: &str, line: usize, marker: &str) -> bool {
    let lines: Vec<&str> = text.lines().take(line).collect();
    let mut above = lines.iter().rev().map(|line| line.trim());
    let is_marked = |line: &str| line.contains("//") && line.contains(marker);
    if above.next().is_some_and(is_marked) {
        return true;
    }
    let mut in_comment = false;
    for line in above {
        if line.starts_with("//") {
            in_comment = true;
            if is_marked(line) {
                return true;
            }
        } else if in_comment || line.is_empty() || line.ends_with([';', '{', '}']) {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::finding::places;

    #[test]
    fn explained_unsafe_passes() {
        for text in [
            "fn a() {\n    // SAFETY: the buffer outlives the op, which the ring keeps.\n    unsafe { b() }\n}\n",
            "fn a() {\n    // SAFETY: long\n    // reason.\n    let x =\n        unsafe { b() };\n}\n",
            "/// Reads.\n///\n/// # Safety\n/// The pointer must be valid.\n#[inline]\npub unsafe fn a() {}\n",
            "// SAFETY: no interior.\nunsafe impl Send for A {}\n",
            "#[unsafe(no_mangle)]\nstatic A: u8 = 0;\ntype F = unsafe fn(u8);\n",
        ] {
            assert!(places(&COMMENTED, &[("userspace/reactor/src/a.rs", text)]).is_empty(), "{text}");
        }
    }

    #[test]
    fn unexplained_unsafe_is_found() {
        for (text, line) in [
            ("fn a() {\n    unsafe { b() }\n}\n", 2),
            ("fn a() {\n    // Fast.\n    unsafe { b() }\n}\n", 3),
            ("fn a() {\n    // SAFETY: the first.\n    unsafe { b() };\n    unsafe { b() };\n}\n", 4),
            ("unsafe impl Send for A {}\n", 1),
            ("pub unsafe fn a() {}\n", 1),
            ("macro_rules! m { () => { unsafe { a() } } }\n", 1),
        ] {
            let path = "ebpf/xdp/src/a.rs";
            assert_eq!(places(&COMMENTED, &[(path, text)]), [format!("{path}:{line}")], "{text}");
        }
    }

    #[test]
    fn unsafe_has_its_rooms() {
        let text = "fn a() {\n    // SAFETY: none.\n    unsafe { b() }\n}\n";
        for path in [
            "userspace/reactor/src/a.rs",
            "userspace/kernel/src/a.rs",
            "ebpf/xdp/src/a.rs",
            "userspace/proxy/tests/a.rs",
        ] {
            assert!(places(&PLACED, &[(path, text)]).is_empty(), "{path}");
        }
        for path in ["userspace/proxy/src/a.rs", "xtask/src/a.rs", "loadtest/src/a.rs"] {
            assert_eq!(places(&PLACED, &[(path, text)]), [format!("{path}:3")]);
        }
        let path = "userspace/plan/src/lib.rs";
        assert_eq!(places(&PLACED, &[(path, "//! Plan.\n")]), [path]);
        assert!(places(&PLACED, &[(path, "//! Plan.\n#![forbid(unsafe_code)]\n")]).is_empty());
    }
}
