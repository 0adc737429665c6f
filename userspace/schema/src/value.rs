//! How a value is read, shown and described: `Leaf` for single values, `Value` for all, `Field` for what stands under a key.

mod address;
mod cidr;
mod duration;
mod hash_key;
mod header;
mod host;
mod map;
mod method;
mod name;
mod number;
mod path;
mod rate;
mod secret;
mod share;
mod size;
mod status;
mod template;
mod text_match;
mod url;

use std::time::Duration;

use crate::code::Code;
use crate::node::{Kind, Node};
use crate::reader::{Fields, Reader, Text};
use crate::shape::Shape;
use crate::shown::Shown;
use crate::span::{At, Span};

pub use address::{Address, Bind, Port, Transport};
pub use cidr::{Cidr, parse_cidr};
pub use hash_key::HashKey;
pub use header::{HeaderName, HeaderText};
pub use host::HostPattern;
pub use map::Map;
pub use method::Method;
pub use name::Name;
pub use path::{FilePath, PathPattern, Segment};
pub use rate::{ByteRate, Rate};
pub use secret::{Material, Secret};
pub use share::Share;
pub use size::Size;
pub use status::{Status, StatusRange};
pub use template::{Piece, Template, Variable};
pub use text_match::{TextMatch, TextTest, Texts};
pub use url::Url;

/// Why a single value is wrong: the message, a way to mend it, and which part of the text it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) part: Option<(usize, usize)>,
    /// What it is about, if not what every fault of its kind is.
    pub(crate) code: Option<Code>,
}

impl Fault {
    /// A fault of the whole text; the message ends up in the diagnostic as it is.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, part: None, code: None }
    }

    /// Adds a way to mend it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what it is about, where that is not what the value as a whole is about.
    #[must_use]
    pub fn code(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    /// Points at a part of the text, in bytes.
    #[must_use]
    pub fn part(mut self, offset: usize, len: usize) -> Self {
        self.part = Some((offset, len));
        self
    }
}

/// A single value with a spelling of its own.
pub trait Leaf: Sized + Clone + 'static {
    /// What it is, completing "this must be …", with an example.
    const WHAT: &'static str;
    /// The code of its faults.
    const CODE: Code;

    /// Reads the text.
    ///
    /// # Errors
    /// What is wrong with it.
    fn parse(text: &str) -> Result<Self, Fault>;

    /// The shortest spelling that reads as the same value.
    fn spell(&self) -> String;

    /// What may be written.
    fn shape() -> Shape;

    /// It must never be printed.
    const SECRET: bool = false;

    /// Warns of a value that is legal but surely not meant.
    fn advise(&self, _text: &Text<'_>, _reader: &mut Reader<'_>) {}
}

/// Anything that can stand in the file.
pub trait Value: Sized + Clone + 'static {
    /// Reads it; faults are reported, `None` if nothing usable was written.
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self>;

    /// What holds if nothing is written at all.
    #[must_use]
    fn absent() -> Option<Self> {
        None
    }

    /// As `render` prints it.
    fn show(&self) -> Shown;

    /// What may be written.
    fn shape() -> Shape;
}

/// Reads a leaf from a node.
pub fn read_leaf<T: Leaf>(node: &Node, reader: &mut Reader<'_>) -> Option<T> {
    let text = reader.text(node, T::WHAT)?;
    let value = reader.leaf::<T>(&text, 0, &text.text)?;
    value.advise(&text, reader);
    Some(value)
}

crate::section::leaves! {
    Address, Bind, ByteRate, Cidr, Duration, FilePath, HashKey, HeaderName, HeaderText, HostPattern, Material, Method, Name,
    PathPattern, Port, Rate, Secret, Share, Size, Status, StatusRange, String, Template, Url, bool, f64, i32, u16, u32, u64, u8,
}

impl<T: Value> Value for Box<T> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        T::read(node, reader).map(Self::new)
    }

    fn absent() -> Option<Self> {
        T::absent().map(Self::new)
    }

    fn show(&self) -> Shown {
        T::show(self)
    }

    fn shape() -> Shape {
        T::shape()
    }
}

/// A section that also has a form as a single value or a list.
pub trait Short: Sized {
    /// Reads what is not a mapping.
    fn short(node: &Node, reader: &mut Reader<'_>) -> Option<Self>;

    /// What may be written in the short form.
    fn short_shape() -> Shape;
}

/// A section with rules that concern several of its keys.
pub trait Checked {
    /// Reports what breaks them; `span` is where the section begins.
    fn check(&self, span: Span, reader: &mut Reader<'_>);
}

/// What stands under a key of a section: `At<T>`, `Option<At<T>>`, `Vec<At<T>>` or `Map<T>`.
pub trait Field: Sized {
    /// What a single one of it is.
    type Item: Value;

    /// Takes it from the section; `None`, with a report, if it is needed and not there or wrong.
    fn take(
        fields: &mut Fields<'_>,
        key: &str,
        default: Option<Self::Item>,
        reader: &mut Reader<'_>,
    ) -> Option<Self>;

    /// What it is when the key is not there.
    fn absent(default: Option<Self::Item>) -> Option<Self>;

    /// As `render` prints it, with its place.
    fn show(&self) -> (Span, Shown);

    /// What may be written.
    fn shape() -> Shape;
}

impl<T: Value> Field for At<T> {
    type Item = T;

    fn take(fields: &mut Fields<'_>, key: &str, default: Option<T>, reader: &mut Reader<'_>) -> Option<Self> {
        let Some(found) = fields.take(key) else {
            let absent = Self::absent(default);
            if absent.is_none() {
                fields.missing(key);
            }
            return absent;
        };
        let value = T::read(found.value, reader);
        value.map(|value| Self::new(value, found.value.span)).or_else(|| Self::absent(default))
    }

    fn absent(default: Option<T>) -> Option<Self> {
        default.or_else(T::absent).map(Self::implied)
    }

    fn show(&self) -> (Span, Shown) {
        (self.span, self.value.show())
    }

    fn shape() -> Shape {
        T::shape()
    }
}

impl<T: Value> Field for Option<At<T>> {
    type Item = T;

    fn take(
        fields: &mut Fields<'_>,
        key: &str,
        _default: Option<T>,
        reader: &mut Reader<'_>,
    ) -> Option<Self> {
        let Some(found) = fields.take(key) else { return Some(None) };
        Some(T::read(found.value, reader).map(|value| At::new(value, found.value.span)))
    }

    fn absent(_default: Option<T>) -> Option<Self> {
        Some(None)
    }

    fn show(&self) -> (Span, Shown) {
        self.as_ref().map_or((Span::NOWHERE, Shown::Nothing), Field::show)
    }

    fn shape() -> Shape {
        T::shape()
    }
}

impl<T: Value> Field for Vec<At<T>> {
    type Item = T;

    fn take(fields: &mut Fields<'_>, key: &str, default: Option<T>, reader: &mut Reader<'_>) -> Option<Self> {
        let Some(found) = fields.take(key) else { return Self::absent(default) };
        let items = match &found.value.kind {
            Kind::List(items) => items.as_slice(),
            Kind::Null => &[],
            Kind::Scalar(_) | Kind::Map(_) => std::slice::from_ref(found.value),
        };
        let read = |node: &Node| T::read(node, reader).map(|value| At::new(value, node.span));
        Some(items.iter().filter_map(read).collect())
    }

    fn absent(default: Option<T>) -> Option<Self> {
        Some(default.map(At::implied).into_iter().collect())
    }

    fn show(&self) -> (Span, Shown) {
        let span = self.first().map_or(Span::NOWHERE, |first| first.span);
        (span, Shown::List(self.iter().map(|item| (item.span, item.value.show())).collect()))
    }

    fn shape() -> Shape {
        Shape::List(Box::new(T::shape()))
    }
}
