//! The files of one configuration, kept so that a diagnostic can show the line it speaks of.

use std::sync::OnceLock;

use crate::span::Span;

/// One file, already read. `name` is what diagnostics print, usually the path as given.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The name to print.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// Where each line begins, found when the first one is asked for.
    lines: OnceLock<Vec<usize>>,
}

impl Source {
    /// A file by name and text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), lines: OnceLock::new() }
    }

    /// A line by its number from 1, without its line break.
    fn line(&self, number: u32) -> Option<&str> {
        let breaks =
            || self.text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at.saturating_add(1));
        let lines = self.lines.get_or_init(|| std::iter::once(0).chain(breaks()).collect());
        let start = lines.get(usize::try_from(number).ok()?.checked_sub(1)?)?;
        self.text.get(*start..)?.lines().next().or(Some(""))
    }
}

/// The main file first, then those of `conf.d` in the order of their names.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<Source>,
}

impl Sources {
    /// At most this many files: a span holds the number of its file in 16 bits.
    pub const FILES_MAX: usize = u16::MAX as usize;

    /// The files of one configuration; the first is the main one. Files beyond `FILES_MAX` are dropped.
    #[must_use]
    pub fn new(mut files: Vec<Source>) -> Self {
        files.truncate(Self::FILES_MAX);
        Self { files }
    }

    /// One file only.
    pub fn one(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(vec![Source::new(name, text)])
    }

    /// Every file with its number.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &Source)> {
        (0..u16::MAX).zip(&self.files)
    }

    /// The name of the file that holds this span.
    #[must_use]
    pub fn name(&self, span: Span) -> &str {
        self.files.get(usize::from(span.file)).map_or("", |source| source.name.as_str())
    }

    /// The line that holds this span, without its line break.
    #[must_use]
    pub fn line(&self, span: Span) -> Option<&str> {
        self.files.get(usize::from(span.file))?.line(span.line)
    }

    /// The place as `file:line:column`, or `default` for a value that nobody wrote.
    #[must_use]
    pub fn place(&self, span: Span) -> String {
        if !span.is_written() {
            return "default".to_owned();
        }
        format!("{}:{}:{}", self.name(span), span.line, span.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_names_file_line_and_column() {
        let sources = Sources::new(vec![Source::new("a.yaml", "x\ny"), Source::new("b.yaml", "1\n22\n333")]);
        let span = Span { file: 1, len: 2, line: 3, column: 2 };
        assert_eq!(sources.place(span), "b.yaml:3:2");
        assert_eq!(sources.line(span), Some("333"));
        assert_eq!(sources.place(Span::NOWHERE), "default");
        assert_eq!(sources.line(Span { file: 9, ..span }), None);
    }
}
