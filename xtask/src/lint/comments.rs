//! Code that was commented out.

use super::{Finding, Rule};
use crate::lint::tree::Tree;

pub(super) const RULE: Rule = Rule {
    name: "dead-comment",
    explain: "no code is left in a comment: nobody compiles it, and the history keeps it for who wants it back. Found \
              are comments that end like a statement and parse as Rust.",
    check,
};

fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, source) in tree.sources() {
        for (line, text) in (1..).zip(source.text.lines()) {
            let Some(comment) = text.trim_start().strip_prefix("//") else { continue };
            if !comment.starts_with(['/', '!']) && is_code(comment.trim()) {
                findings.push(Finding::new(path, line, "code in a comment; delete it"));
            }
        }
    }
    findings
}

fn is_code(comment: &str) -> bool {
    let is_statement = comment.ends_with(';') || (comment.ends_with('}') && comment.contains('{'));
    is_statement
        && comment.parse::<proc_macro2::TokenStream>().is_ok()
        && syn::parse_str::<syn::Stmt>(comment).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::finding::places;

    #[test]
    fn sentences_pass_and_code_is_found() {
        for (comment, found) in [
            ("// The ring owns it; nobody else does.", false),
            ("// wait for the completion, then free it;", false),
            ("//     ring.submit(1);", true),
            ("// let a = 1;", true),
            ("// if a { b() }", true),
            ("/// ring.submit(1);", false),
            ("// {\"a\": 1}", false),
        ] {
            let text = format!("//! A.\n{comment}\nfn a() {{}}\n");
            let expect: Vec<_> = found.then_some("userspace/plan/src/a.rs:2").into_iter().collect();
            assert_eq!(places(&RULE, &[("userspace/plan/src/a.rs", &text)]), expect, "{comment}");
        }
    }
}
