//! A value as `render` prints it: defaults filled in, each with its place, secrets covered.

use crate::span::Span;

/// The printable tree of a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// Not set, and nothing stands in for it.
    Nothing,
    /// A single value in its shortest spelling.
    Text(String),
    /// A single value that must not be printed.
    Secret,
    /// A list of values with their places.
    List(Vec<(Span, Shown)>),
    /// One key out of several with what stands behind it; the word alone where all of that is default.
    Choice(&'static str, Box<Shown>),
    /// A mapping.
    Map(Vec<(String, Span, Shown)>),
}
