//! The configuration as it holds: files merged, defaults filled in, the origin of each value beside it, secrets covered.

use crate::config::Config;
use crate::fmt::lines::{Lines, WIDTH};
use crate::shown::Shown;
use crate::source::Sources;
use crate::span::Span;
use crate::value::Value;

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detail {
    /// Values that nobody wrote.
    pub defaults: bool,
    /// Where each value stands.
    pub origins: bool,
}

impl Detail {
    /// Something was written here or below, or defaults are wanted and there is one.
    fn shows(self, span: Span, value: &Shown) -> bool {
        match value {
            Shown::Nothing => false,
            Shown::Text(_) | Shown::Secret => span.is_written() || self.defaults,
            Shown::List(items) => span.is_written() || !items.is_empty() && self.defaults,
            Shown::Choice(..) => span.is_written() || self.defaults,
            Shown::Map(entries) => {
                let inside = entries.iter().any(|(_, span, value)| self.shows(*span, value));
                inside || span.is_written()
            }
        }
    }
}

/// The configuration as YAML. Without secrets it reads as the same configuration again.
#[must_use]
pub fn render(config: &Config, sources: &Sources, detail: Detail) -> String {
    let mut renderer = Renderer { sources, detail, lines: Lines::default() };
    if let Shown::Map(entries) = config.show() {
        renderer.map(&entries, 0);
    }
    renderer.lines.finish()
}

struct Renderer<'s> {
    sources: &'s Sources,
    detail: Detail,
    lines: Lines,
}

impl Renderer<'_> {
    fn map(&mut self, entries: &[(String, Span, Shown)], indent: usize) {
        let detail = self.detail;
        for (key, span, value) in entries.iter().filter(|(_, span, value)| detail.shows(*span, value)) {
            self.value(format!("{:indent$}{}:", "", quote(key)), *span, value, indent);
        }
    }

    fn value(&mut self, start: String, span: Span, value: &Shown, indent: usize) {
        let origin = self.origin(span);
        match value {
            Shown::Nothing => self.lines.push(start, None),
            Shown::Text(text) => self.lines.push(format!("{start} {}", quote(text)), origin),
            Shown::Secret => self.lines.push(format!("{start} \"(secret)\""), origin),
            Shown::List(items) => self.list(start, span, items, indent),
            Shown::Choice(word, inner) => self.choice(start, (word, inner), span, indent),
            Shown::Map(entries) if entries.iter().any(|(_, span, value)| self.detail.shows(*span, value)) => {
                self.lines.push(start, None);
                self.map(entries, indent.saturating_add(2));
            }
            Shown::Map(_) => self.lines.push(format!("{start} {{}}"), origin),
        }
    }

    fn choice(&mut self, start: String, (word, inner): (&str, &Shown), span: Span, indent: usize) {
        let detail = self.detail;
        let bare = matches!(inner, Shown::Map(entries) if !entries.iter().any(|(_, span, value)| detail.shows(*span, value)));
        if bare {
            let origin = self.origin(span);
            self.lines.push(format!("{start} {word}"), origin);
            return;
        }
        let inner_indent = indent.saturating_add(2);
        let key = format!("{:inner_indent$}{word}:", "");
        let dash = start.trim_start() == "-";
        let at = self.lines.len();
        if dash {
            self.value(key, span, inner, inner_indent);
            self.lines.lead(at, &start);
        } else {
            self.lines.push(start, None);
            self.value(key, span, inner, inner_indent);
        }
    }

    fn list(&mut self, start: String, span: Span, items: &[(Span, Shown)], indent: usize) {
        if let Some(line) =
            one_line(items).filter(|line| start.chars().count().saturating_add(line.chars().count()) < WIDTH)
        {
            let origin = self.origin(span);
            self.lines.push(format!("{start} {line}"), origin);
            return;
        }
        self.lines.push(start, None);
        let inner = indent.saturating_add(2);
        for (span, item) in items {
            let dash = format!("{:inner$}-", "");
            match item {
                Shown::Map(entries)
                    if entries.iter().any(|(_, span, value)| self.detail.shows(*span, value)) =>
                {
                    let at = self.lines.len();
                    self.map(entries, inner.saturating_add(2));
                    self.lines.lead(at, &dash);
                }
                item => self.value(dash, *span, item, inner),
            }
        }
    }

    fn origin(&self, span: Span) -> Option<String> {
        self.detail.origins.then(|| format!("# {}", self.sources.place(span)))
    }
}

/// A list of single values in brackets.
fn one_line(items: &[(Span, Shown)]) -> Option<String> {
    if items.is_empty() {
        return Some("[]".to_owned());
    }
    let text = |(_, item): &(Span, Shown)| match item {
        Shown::Text(text) => Some(quote(text)),
        Shown::Secret => Some("\"(secret)\"".to_owned()),
        _ => None,
    };
    let items: Option<Vec<String>> = items.iter().map(text).collect();
    items.map(|items| format!("[ {} ]", items.join(", ")))
}

/// The text as YAML reads it again, with quotes only where they are needed.
pub(crate) fn quote(text: &str) -> String {
    let first = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '.' | '(' | '~' | '+');
    let later = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, '/' | '_' | '.' | '-' | '+' | '%' | '*' | '(' | ')' | '=' | '@' | '^' | '~' | ' ')
    };
    let colons = text
        .split(':')
        .skip(1)
        .all(|after| after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/'));
    let plain = text.starts_with(first)
        && !text.ends_with([' ', ':'])
        && text.chars().all(|c| later(c) || c == ':')
        && colons;
    let word = matches!(text, "~" | "null" | "Null" | "NULL");
    if plain && !word {
        text.to_owned()
    } else {
        serde_json::to_string(&text.replace("${", "$${")).unwrap_or_default()
    }
}
