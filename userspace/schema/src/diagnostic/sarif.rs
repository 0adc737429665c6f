//! A report as SARIF 2.1.0, which code hosts and editors show beside the lines.

use serde_json::{Value, json};

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Report};
use crate::source::Sources;
use crate::span::Span;

pub(super) fn write(report: &Report, sources: &Sources) -> String {
    let mut codes: Vec<Code> = report.iter().map(|found| found.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "weir", "rules": codes.into_iter().map(rule).collect::<Vec<_>>() } },
            "columnKind": "unicodeCodePoints",
            "results": report.iter().map(|found| result(found, sources)).collect::<Vec<_>>(),
        }],
    });
    format!("{document:#}\n")
}

fn rule(code: Code) -> Value {
    json!({ "id": code.as_str(), "shortDescription": { "text": code.title() }, "fullDescription": { "text": code.explain() } })
}

fn result(found: &Diagnostic, sources: &Sources) -> Value {
    let text = std::iter::once(found.message.as_str())
        .chain(found.hints.iter().map(String::as_str))
        .collect::<Vec<_>>()
        .join(" ");
    let related = |(span, what): &(Span, String)| json!({ "physicalLocation": physical(*span, sources), "message": { "text": what } });
    json!({
        "ruleId": found.code.as_str(),
        "level": if found.code.is_warning() { "warning" } else { "error" },
        "message": { "text": text },
        "locations": [{
            "physicalLocation": physical(found.span, sources),
            "logicalLocations": [{ "fullyQualifiedName": found.path }],
        }],
        "relatedLocations": found.related.iter().map(related).collect::<Vec<_>>(),
    })
}

fn physical(span: Span, sources: &Sources) -> Value {
    let region = json!({
        "startLine": span.line.max(1),
        "startColumn": span.column.max(1),
        "endColumn": span.column.max(1).saturating_add(u32::from(span.len)),
    });
    json!({ "artifactLocation": { "uri": sources.name(span) }, "region": region })
}
