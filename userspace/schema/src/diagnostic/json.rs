//! A report for programs: one JSON document.

use serde_json::{Value, json};

use crate::diagnostic::{Diagnostic, Report};
use crate::source::Sources;
use crate::span::Span;

pub(super) fn write(report: &Report, sources: &Sources) -> String {
    let errors = report.errors().count();
    let document = json!({
        "format": 1,
        "valid": errors == 0,
        "errors": errors,
        "warnings": report.iter().count().saturating_sub(errors),
        "not_shown": report.dropped(),
        "diagnostics": report.iter().map(|found| one(found, sources)).collect::<Vec<_>>(),
    });
    format!("{document:#}\n")
}

fn one(found: &Diagnostic, sources: &Sources) -> Value {
    let related = |(span, what): &(Span, String)| json!({ "file": sources.name(*span), "line": span.line, "column": span.column, "length": span.len, "message": what });
    json!({
        "code": found.code.as_str(),
        "severity": if found.code.is_warning() { "warning" } else { "error" },
        "rule": found.code.title(),
        "path": found.path,
        "message": found.message,
        "file": sources.name(found.span),
        "line": found.span.line,
        "column": found.span.column,
        "length": found.span.len,
        "hints": found.hints,
        "related": found.related.iter().map(related).collect::<Vec<_>>(),
    })
}
