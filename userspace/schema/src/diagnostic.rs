//! One thing to say about a configuration, and the report that gathers them all.

mod json;
mod sarif;
mod text;

use crate::code::Code;
use crate::source::Sources;
use crate::span::Span;

pub use text::Style;

/// An error or a warning at its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Which rule.
    pub code: Code,
    /// What the caret points at.
    pub span: Span,
    /// The path of the value, such as `routes[3].timeouts.connect`; empty for the file itself.
    pub path: String,
    /// What is wrong, in one line, naming what was found.
    pub message: String,
    /// What the caret says; may be empty.
    pub label: String,
    /// How to mend it, each a sentence.
    pub hints: Vec<String>,
    /// Other places that matter, such as the first of two.
    pub related: Vec<(Span, String)>,
}

impl Diagnostic {
    /// A diagnostic without label, hint or related place.
    pub fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        let (path, label, hints, related) = (String::new(), String::new(), Vec::new(), Vec::new());
        Self { code, span, path, message: message.into(), label, hints, related }
    }

    /// Says something at the caret.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds a way to mend it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds a way to mend it, if there is one to suggest.
    #[must_use]
    pub fn hint_if(mut self, hint: Option<String>) -> Self {
        self.hints.extend(hint);
        self
    }

    /// Shows another place.
    #[must_use]
    pub fn also(mut self, span: Span, what: impl Into<String>) -> Self {
        self.related.push((span, what.into()));
        self
    }
}

/// All diagnostics of one configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    diagnostics: Vec<Diagnostic>,
    dropped: usize,
}

/// How a report is written out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people: excerpt, caret, hints.
    #[default]
    Text,
    /// One JSON document.
    Json,
    /// SARIF 2.1.0, which code hosts show beside the lines.
    Sarif,
}

impl Report {
    /// Beyond this many diagnostics further ones are only counted.
    pub const DIAGNOSTICS_MAX: usize = 500;

    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.diagnostics.len() < Self::DIAGNOSTICS_MAX {
            self.diagnostics.push(diagnostic);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// Adds all of another report.
    pub fn extend(&mut self, other: Self) {
        self.dropped = self.dropped.saturating_add(other.dropped);
        for diagnostic in other.diagnostics {
            self.push(diagnostic);
        }
    }

    /// The configuration must not be used.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.errors().next().is_some()
    }

    /// Those that refuse the configuration.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().filter(|diagnostic| !diagnostic.code.is_warning())
    }

    /// Every diagnostic kept, in the order of their places once sorted.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Diagnostic> {
        self.diagnostics.iter_mut()
    }

    /// How many were counted but not kept.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// Nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }

    /// Writes it out; the files are needed for the excerpts.
    #[must_use]
    pub fn write(&self, sources: &Sources, format: Format, style: Style) -> String {
        match format {
            Format::Text => text::write(self, sources, style),
            Format::Json => json::write(self, sources),
            Format::Sarif => sarif::write(self, sources),
        }
    }

    /// Puts the diagnostics in the order in which a reader of the files meets their places.
    pub fn sort(&mut self) {
        self.diagnostics
            .sort_by_key(|found| (found.span.file, found.span.line, found.span.column, found.code));
    }
}
