//! Reads typed values from a tree: goes on after an error, so that all of them are reported at once.

use std::borrow::Cow;

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Report};
use crate::hint;
use crate::lookup::Lookup;
use crate::node::{Key, Kind, Node};
use crate::reference::{self, Filled};
use crate::span::{At, Span};
use crate::value::Leaf;

/// Carries what reading needs: the outside world by `Lookup`, and the report.
pub struct Reader<'a> {
    lookup: &'a dyn Lookup,
    report: Report,
    errors: usize,
    broken: Vec<String>,
}

impl<'a> Reader<'a> {
    /// A reader that resolves references by `lookup`.
    pub fn new(lookup: &'a dyn Lookup) -> Self {
        Self { lookup, report: Report::default(), errors: 0, broken: Vec::new() }
    }

    /// Hands back what was found wrong, and the names of what could not be read: they exist all the same.
    #[must_use]
    pub fn finish(self) -> (Report, Vec<String>) {
        (self.report, self.broken)
    }

    /// How many errors were reported so far.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// Remembers the name of something that could not be read.
    pub fn broken(&mut self, name: &str) {
        self.broken.push(name.to_owned());
    }

    /// Reports.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.errors = self.errors.saturating_add(usize::from(!diagnostic.code.is_warning()));
        self.report.push(diagnostic);
    }

    /// The text of a single value with its references filled in. `what` completes "this must be …".
    pub fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<Text<'n>> {
        let Some(scalar) = node.scalar() else {
            self.wrong_kind(node, what);
            return None;
        };
        if !scalar.text.contains('$') {
            let text = Cow::Borrowed(scalar.text.as_str());
            return Some(Text {
                text,
                span: node.span,
                inset: scalar.inset,
                filled: false,
                secret: false,
                open: None,
                guessed: false,
            });
        }
        match reference::fill(scalar, node.span, self.lookup) {
            Ok(Filled { text, secret, open, guessed }) => Some(Text {
                text: Cow::Owned(text),
                span: node.span,
                inset: None,
                filled: true,
                secret,
                open,
                guessed,
            }),
            Err(found) => {
                found.into_iter().for_each(|diagnostic| self.push(diagnostic));
                None
            }
        }
    }

    /// A leaf from a part of a text that begins `offset` bytes in.
    pub fn leaf<T: Leaf>(&mut self, text: &Text<'_>, offset: usize, part: &str) -> Option<T> {
        match T::parse(part) {
            Ok(value) => Some(value),
            // Whether the real value would do is not known.
            Err(_) if text.guessed => None,
            Err(fault) => {
                let (start, len) = fault.part.unwrap_or((0, part.len()));
                let shown = if text.secret { "(secret)".to_owned() } else { format!("`{part}`") };
                let message = fault.message.replace("{}", &shown);
                let span = text.part(offset.saturating_add(start), len);
                self.push(Diagnostic::new(fault.code.unwrap_or(T::CODE), span, message).hint_if(fault.hint));
                None
            }
        }
    }

    /// The entries of a mapping; nothing at all counts as an empty one. `section` is what messages call it.
    pub fn fields<'n>(&mut self, node: &'n Node, section: &'static str) -> Option<Fields<'n>> {
        let entries: &[(Key, Node)] = match &node.kind {
            Kind::Map(entries) => entries,
            Kind::Null => &[],
            Kind::Scalar(_) | Kind::List(_) => {
                self.wrong_kind(node, &format!("a mapping with the keys of {}", hint::article(section)));
                return None;
            }
        };
        Some(Fields {
            entries,
            taken: vec![false; entries.len()],
            missing: Vec::new(),
            span: node.span,
            section,
        })
    }

    /// Reports that a value is a list, a mapping, a scalar or nothing where something else is needed.
    pub fn wrong_kind(&mut self, node: &Node, what: &str) {
        let message = match &node.kind {
            Kind::Null => format!("this has no value, but must be {what}"),
            _ => format!("this is {}, but must be {what}", node.describe()),
        };
        self.push(Diagnostic::new(Code::WrongKind, node.span, message));
    }
}

/// A single value's text at its place.
#[derive(Clone, Debug)]
pub struct Text<'n> {
    /// The text, references filled in.
    pub text: Cow<'n, str>,
    /// Where it stands.
    pub span: Span,
    inset: Option<u16>,
    /// A reference was filled in.
    pub filled: bool,
    /// Part of it came from a file or credential: it must not be printed.
    pub secret: bool,
    /// Part of it only stands in for a value that is not known here.
    pub guessed: bool,
    /// A file that part of it came from and that others may read.
    pub open: Option<String>,
}

impl Text<'_> {
    /// The place of a part of the text, in bytes; the whole if its columns are unknown.
    #[must_use]
    pub fn part(&self, offset: usize, len: usize) -> Span {
        let (Some(inset), Some(before)) = (self.inset, self.text.get(..offset)) else { return self.span };
        let chars = self.text.get(offset..offset.saturating_add(len)).map_or(1, |part| part.chars().count());
        self.span.part(usize::from(inset).saturating_add(before.chars().count()), chars)
    }

    /// The text as messages show it: shortened, and never a secret.
    #[must_use]
    pub fn shown(&self) -> String {
        if self.secret {
            return "(secret)".to_owned();
        }
        let mut chars = self.text.chars();
        let shown: String = chars.by_ref().take(60).collect();
        if chars.next().is_some() { format!("`{shown}…`") } else { format!("`{shown}`") }
    }
}

/// The entries of one mapping, struck off as they are read.
pub struct Fields<'n> {
    entries: &'n [(Key, Node)],
    taken: Vec<bool>,
    missing: Vec<String>,
    section: &'static str,
    /// Where the mapping begins.
    pub span: Span,
}

impl<'n> Fields<'n> {
    /// The value under `key`, struck off.
    pub fn take(&mut self, key: &str) -> Option<At<&'n Node>> {
        let index = self.entries.iter().position(|(name, _)| name.text == key)?;
        if let Some(taken) = self.taken.get_mut(index) {
            *taken = true;
        }
        self.entries.get(index).map(|(name, node)| At::new(node, name.span))
    }

    /// Remembers that `key` must be there and is not.
    pub fn missing(&mut self, key: &str) {
        self.missing.push(key.to_owned());
    }

    /// Reports every entry that nobody took, and every key that is missing unless one of those was meant to be it.
    pub fn finish(self, known: &[&str], reader: &mut Reader<'_>) {
        let mut advice = String::new();
        for ((key, _), _) in self.entries.iter().zip(&self.taken).filter(|(_, taken)| !**taken) {
            let message = format!("there is no key `{}` in {}", key.text, hint::article(self.section));
            let hint = hint::unknown_key(self.section, &key.text, known);
            advice.push_str(&hint);
            reader.push(Diagnostic::new(Code::UnknownKey, key.span, message).hint(hint));
        }
        let is_meant = |key: &str| ["`", "."].iter().any(|end| advice.contains(&format!("`{key}{end}")));
        for key in self.missing.iter().filter(|key| !is_meant(key)) {
            let message = format!("`{key}` is missing in {}", hint::article(self.section));
            reader.push(
                Diagnostic::new(Code::MissingKey, self.span, message)
                    .hint_if(hint::missing(self.section, key)),
            );
        }
    }
}
