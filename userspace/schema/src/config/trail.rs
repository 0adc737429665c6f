//! The path of each diagnostic, `routes[3].timeouts.connect`: found afterwards, so that reading need not carry it along.

use std::collections::HashMap;

use crate::diagnostic::{Diagnostic, Report};
use crate::node::{Kind, Node};
use crate::span::Span;

/// Gives every diagnostic the path of the deepest value that it points into.
pub(crate) fn mark(tree: &Node, report: &mut Report) {
    let mut wanted: HashMap<(u16, u32), Vec<&mut Diagnostic>> = HashMap::new();
    for found in report.iter_mut().filter(|found| found.span.is_written()) {
        wanted.entry((found.span.file, found.span.line)).or_default().push(found);
    }
    if !wanted.is_empty() {
        walk(tree, &mut String::new(), &mut wanted);
    }
}

type Wanted<'r> = HashMap<(u16, u32), Vec<&'r mut Diagnostic>>;

fn walk(node: &Node, path: &mut String, wanted: &mut Wanted<'_>) {
    let length = path.len();
    meet(node.span, path, wanted);
    match &node.kind {
        Kind::Map(entries) => {
            for (key, value) in entries {
                if length > 0 {
                    path.push('.');
                }
                path.push_str(&key.text);
                meet(key.span, path, wanted);
                walk(value, path, wanted);
                path.truncate(length);
            }
        }
        Kind::List(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push_str(&format!("[{index}]"));
                walk(item, path, wanted);
                path.truncate(length);
            }
        }
        Kind::Null | Kind::Scalar(_) => {}
    }
}

fn meet(span: Span, path: &str, wanted: &mut Wanted<'_>) {
    let Some(found) = wanted.get_mut(&(span.file, span.line)) else { return };
    let end = span.column.saturating_add(u32::from(span.len));
    for diagnostic in found.iter_mut().filter(|found| (span.column..end).contains(&found.span.column)) {
        path.clone_into(&mut diagnostic.path);
    }
}
