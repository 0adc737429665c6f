//! The tree of a YAML document: scalars, lists and mappings, each at its place.

use crate::span::Span;

/// One value of the document.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it stands; of a mapping or list, where it begins.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Nothing was written after the key, or `null`, or `~`.
    Null,
    /// A single value; everything beyond text is the reader's interpretation.
    Scalar(Scalar),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in written order; keys are unique.
    Map(Vec<(Key, Node)>),
}

/// A single value as text.
#[derive(Clone, Debug)]
pub struct Scalar {
    /// The text after YAML's escapes.
    pub text: String,
    /// Characters between the start of the span and the first character of the text, if each further
    /// character of the text stands one column on; otherwise columns inside the text are unknown.
    pub inset: Option<u16>,
}

/// The key of a mapping's entry.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key's text.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

impl Node {
    /// An empty mapping that nobody wrote, from which a section reads its defaults.
    #[must_use]
    pub fn empty_map() -> Self {
        Self { span: Span::NOWHERE, kind: Kind::Map(Vec::new()) }
    }

    /// The scalar, if this is one.
    #[must_use]
    pub fn scalar(&self) -> Option<&Scalar> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The value under `key`, if this is a mapping that has it.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|(name, _)| name.text == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// What this is, with its article, for a message.
    #[must_use]
    pub fn describe(&self) -> &'static str {
        match &self.kind {
            Kind::Null => "nothing",
            Kind::Scalar(_) => "a single value",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }
}
