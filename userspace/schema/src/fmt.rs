//! One way to write a file: indentation, spaces, quotes as written, every comment kept. Meaning never changes, and that is checked.

mod diff;
pub(crate) mod lines;
mod tree;
mod write;

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Report};
use crate::node::{Kind, Node};
use crate::span::Span;
use crate::yaml;

pub use diff::unified;

/// A text that has not settled after so many passes is left as it is then.
const PASSES_MAX: usize = 4;

/// The text in its one form.
///
/// # Errors
/// The text is no YAML that this language uses.
pub fn format(text: &str) -> Result<String, Report> {
    let mut report = Report::default();
    let before = yaml::parse(text, 0, &mut report);
    let (Some(before), false) = (before, report.has_errors()) else { return Err(report) };
    let Some((tree, comments)) = tree::read(text) else { return Ok(text.to_owned()) };
    let (formatted, kept_comments) = settle(write::write(&tree), comments.is_empty());
    let after = yaml::parse(&formatted, 0, &mut report);
    let kept = after.as_ref().is_some_and(|after| same(&before, after)) && comments == kept_comments;
    if !kept {
        let span = Span { file: 0, len: 1, line: 1, column: 1 };
        let message = "this file is written in a way that cannot be put in order without changing it";
        report.push(Diagnostic::new(Code::NotUsed, span, message));
        return Err(report);
    }
    Ok(formatted)
}

/// Writes again until nothing changes, and tells the comments that are there then: where a comment has moved into an item, a
/// blank line before it is seen only in the next pass. Without comments there is nothing to move.
fn settle(mut text: String, is_bare: bool) -> (String, Vec<String>) {
    let mut comments = Vec::new();
    for pass in 0..=PASSES_MAX {
        let Some((tree, found)) = (!is_bare).then(|| tree::read(&text)).flatten() else { break };
        comments = found;
        let again = write::write(&tree);
        if again == text || pass == PASSES_MAX {
            break;
        }
        text = again;
    }
    (text, comments)
}

/// The two mean the same, wherever they stand.
fn same(a: &Node, b: &Node) -> bool {
    match (&a.kind, &b.kind) {
        (Kind::Null, Kind::Null) => true,
        (Kind::Scalar(a), Kind::Scalar(b)) => a.text == b.text,
        (Kind::List(a), Kind::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Kind::Map(a), Kind::Map(b)) => {
            let entry = |((a_key, a), (b_key, b)): (&(crate::node::Key, Node), &(crate::node::Key, Node))| {
                a_key.text == b_key.text && same(a, b)
            };
            a.len() == b.len() && a.iter().zip(b).all(entry)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
