//! Tests on a text of the request: a header, a parameter, a cookie.

use weir_schema::value::{TextMatch, TextTest};

use super::ask::unescape;
use crate::pattern::Pattern;

/// How a text is compared.
#[derive(Clone, Debug)]
pub enum Test {
    /// It is one of these.
    Equals(Vec<Box<[u8]>>),
    /// It begins with this.
    Prefix(Box<[u8]>),
    /// It ends with this.
    Suffix(Box<[u8]>),
    /// It holds this.
    Contains(Box<[u8]>),
    /// One of its words is this.
    Word(Box<[u8]>),
    /// This is found in it.
    Pattern(Box<Pattern>),
    /// It is there, or it is not.
    Present(bool),
    /// The test inside fails; also if there is nothing to test.
    Not(Box<Test>),
}

/// Tests by the name of what they test; all must hold.
#[derive(Clone, Debug, Default)]
pub struct Tests(pub Vec<(Box<str>, Test)>);

impl Test {
    /// Compiles a test as written.
    ///
    /// # Errors
    /// Why a regular expression in it cannot be compiled.
    pub fn new(written: &TextMatch) -> Result<Self, String> {
        let bytes = |text: &str| text.as_bytes().into();
        Ok(match &written.0 {
            TextTest::Equals(texts) => Self::Equals(texts.0.iter().map(|text| bytes(text)).collect()),
            TextTest::Prefix(text) => Self::Prefix(bytes(text)),
            TextTest::Suffix(text) => Self::Suffix(bytes(text)),
            TextTest::Contains(text) => Self::Contains(bytes(text)),
            TextTest::Regex(text) => Self::Pattern(Box::new(Pattern::new(text)?)),
            TextTest::Present(present) => Self::Present(*present),
            TextTest::Not(inner) => Self::Not(Box::new(Self::new(inner)?)),
        })
    }

    /// Compiles a test on a claim, of which `contains` means a whole word or element.
    ///
    /// # Errors
    /// Why a regular expression in it cannot be compiled.
    pub fn of_claim(written: &TextMatch) -> Result<Self, String> {
        Ok(match &written.0 {
            TextTest::Contains(text) => Self::Word(text.as_bytes().into()),
            TextTest::Not(inner) => Self::Not(Box::new(Self::of_claim(inner)?)),
            _ => Self::new(written)?,
        })
    }

    /// Whether it holds for what is there: of several values of one name, one that passes is enough.
    pub(super) fn holds<'v, V: Iterator<Item = &'v [u8]>>(&self, values: &impl Fn() -> V) -> bool {
        match self {
            Self::Present(present) => values().next().is_some() == *present,
            Self::Not(inner) => !inner.holds(values),
            _ => values().any(|value| self.passes(value)),
        }
    }

    /// As [`Test::holds`], for values in which bytes may be escaped.
    pub(super) fn holds_escaped<'v, V: Iterator<Item = &'v [u8]>>(&self, values: &impl Fn() -> V) -> bool {
        match self {
            Self::Present(_) => self.holds(values),
            Self::Not(inner) => !inner.holds_escaped(values),
            _ => values().any(|value| self.passes_escaped(value)),
        }
    }

    fn passes(&self, value: &[u8]) -> bool {
        match self {
            Self::Equals(texts) => texts.iter().any(|text| **text == *value),
            Self::Prefix(text) => value.starts_with(text),
            Self::Suffix(text) => value.ends_with(text),
            Self::Contains(text) => text.is_empty() || value.windows(text.len()).any(|part| *part == **text),
            Self::Word(text) => value.split(|byte| *byte == b' ').any(|word| *word == **text),
            Self::Pattern(pattern) => pattern.is_in(value),
            Self::Present(present) => *present,
            Self::Not(inner) => !inner.passes(value),
        }
    }

    /// A short value is unescaped on the stack, so that only one of extraordinary length costs an allocation.
    fn passes_escaped(&self, value: &[u8]) -> bool {
        if !value.iter().any(|byte| matches!(byte, b'%' | b'+')) {
            return self.passes(value);
        }
        let mut room = [0_u8; 512];
        if value.len() > room.len() {
            return self.passes(&unescape(value).collect::<Vec<u8>>());
        }
        let mut len = 0;
        for (place, byte) in room.iter_mut().zip(unescape(value)) {
            *place = byte;
            len += 1;
        }
        self.passes(room.get(..len).unwrap_or_default())
    }
}
