//! What may be written at a place: the description from which the JSON Schema and the key reference are generated.

/// What a value looks like as written.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Text, described in words, with an example.
    Text {
        /// What it is, completing "this must be …".
        what: &'static str,
        /// One that is right.
        example: &'static str,
    },
    /// A whole number between two bounds.
    Integer {
        /// The least.
        min: i64,
        /// The most.
        max: i64,
    },
    /// A number with a fraction.
    Number,
    /// `true` or `false`.
    Boolean,
    /// One of some words, each with what it means.
    Words(&'static [(&'static str, &'static str)]),
    /// A list; a single item may stand without its brackets.
    List(Box<Shape>),
    /// A mapping from names to values.
    Map(Box<Shape>),
    /// Any of several forms.
    Any(Vec<Shape>),
    /// A mapping with known keys.
    Section(Section),
    /// A mapping with exactly one of some keys, or, where all has a default, the key alone.
    Choice(Section),
}

/// A mapping with known keys.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// The name of its definition.
    pub name: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// Its keys.
    pub keys: fn() -> Vec<KeyShape>,
}

impl PartialEq for Section {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// One key of a section.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyShape {
    /// The key.
    pub key: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// What may stand there.
    pub shape: Shape,
    /// It must be there.
    pub required: bool,
    /// What holds when it is not there, as `render` shows it.
    pub default: Option<crate::shown::Shown>,
}

/// One form as it is, several as alternatives.
#[must_use]
pub fn any(mut forms: Vec<Shape>) -> Shape {
    match forms.pop() {
        Some(only) if forms.is_empty() => only,
        Some(last) => {
            forms.push(last);
            Shape::Any(forms)
        }
        None => Shape::Any(forms),
    }
}
