//! A report for people: excerpt, caret and hints, in the shape Rust's own compiler uses.

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Report};
use crate::source::Sources;
use crate::span::Span;

/// Whether a terminal shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Plain text.
    #[default]
    Plain,
    /// With colours, for a terminal.
    Colour,
}

/// Every diagnostic, and a line that sums them up.
pub(super) fn write(report: &Report, sources: &Sources, style: Style) -> String {
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Colour => Renderer::styled(),
    };
    let mut text = String::new();
    for found in report.iter() {
        text.push_str(&one(found, sources, &renderer));
        text.push_str("\n\n");
    }
    text.push_str(&summary(report));
    text
}

fn one(found: &Diagnostic, sources: &Sources, renderer: &Renderer) -> String {
    let level = if found.code.is_warning() { Level::WARNING } else { Level::ERROR };
    let title = level.primary_title(found.message.as_str()).id(found.code.as_str());
    let cover = found.code == Code::SecretInline;
    let mut group = Group::with_title(title);
    if let Some(snippet) = excerpt(found.span, &found.label, AnnotationKind::Primary, sources, cover) {
        group = group.element(snippet);
    } else if found.span.is_written() {
        group = group.element(Origin::path(sources.place(found.span)));
    }
    for (span, what) in &found.related {
        if let Some(snippet) = excerpt(*span, what, AnnotationKind::Context, sources, cover) {
            group = group.element(snippet);
        }
    }
    for hint in &found.hints {
        group = group.element(Level::HELP.message(hint.as_str()));
    }
    renderer.render(&[group])
}

/// The line of a span with what is said about it underneath.
fn excerpt<'a>(
    span: Span,
    label: &'a str,
    kind: AnnotationKind,
    sources: &'a Sources,
    cover: bool,
) -> Option<Snippet<'a, Annotation<'a>>> {
    let line = sources.line(span)?;
    let start = usize::try_from(span.column).ok()?.checked_sub(1)?;
    let byte = |chars: usize| line.char_indices().nth(chars).map_or(line.len(), |(at, _)| at);
    let range = byte(start)..byte(start.saturating_add(usize::from(span.len)));
    let label = Some(label).filter(|label| !label.is_empty());
    let mark = kind.span(range.clone()).label(label);
    let text = if cover {
        let (before, after) = (line.get(..range.start)?, line.get(range.end..)?);
        format!("{before}{}{after}", "*".repeat(range.len()))
    } else {
        line.to_owned()
    };
    let snippet = Snippet::source(text).path(sources.name(span)).line_start(usize::try_from(span.line).ok()?);
    Some(snippet.annotation(mark))
}

/// How many there are, and where more is to be learnt.
fn summary(report: &Report) -> String {
    let count = |number: usize, word: &str| {
        if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
    };
    let errors = report.errors().count();
    let warnings = report.iter().count().saturating_sub(errors);
    let mut parts = Vec::new();
    if errors > 0 {
        parts.push(count(errors, "error"));
    }
    if warnings > 0 {
        parts.push(count(warnings, "warning"));
    }
    if report.dropped() > 0 {
        parts.push(format!("{} more not shown", report.dropped()));
    }
    let Some(first) = report.errors().chain(report.iter()).next() else { return String::new() };
    format!("{}; `weir explain {}` says more\n", parts.join(", "), first.code.as_str())
}
