//! A report for programs: one JSON document.

use serde_json::{Value, json};

use crate::diagnostic::{Diagnostic, Report};
use crate::source::Sources;
use crate::span::Span;

pub(super) fn write(report: &Report, sources: &Sources) -> String {
    let errors = report.errors().count();
    let document = json!({
        "version": 1,
        "valid": errors == 0,
        "errors": errors,
        "warnings": report.iter().count().saturating_sub(errors),
        "not_shown": report.dropped(),
        "diagnostics": report.iter().map(|found| one(found, sources)).collect::<Vec<_>>(),
    });
    format!("{document:#}\n")
}

fn one(found: &Diagnostic, sources: &Sources) -> Value {
    let related = |(span, what): &(Span, String)| {
        let mut place = place(*span, sources);
        place["message"] = json!(what);
        place
    };
    let mut value = place(found.span, sources);
    value["code"] = json!(found.code.as_str());
    value["severity"] = json!(if found.code.is_warning() { "warning" } else { "error" });
    value["rule"] = json!(found.code.title());
    value["message"] = json!(found.message);
    value["hints"] = json!(found.hints);
    value["related"] = found.related.iter().map(related).collect();
    value
}

fn place(span: Span, sources: &Sources) -> Value {
    json!({ "file": sources.name(span), "line": span.line, "column": span.column, "length": span.len })
}
