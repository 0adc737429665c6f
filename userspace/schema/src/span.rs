//! Where something stands in the files: `Span`, and `At<T>`, a value together with its place.

use std::ops::Deref;

/// A place on one line of one file. Lines and columns count from 1; columns count characters.
///
/// Line 0 means "written nowhere": a default, or a value made by a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Which file, as an index into `Sources`.
    pub file: u16,
    /// How many characters, at least 1 when written; never beyond the end of the line.
    pub len: u16,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

impl Span {
    /// The place of a value that nobody wrote.
    pub const NOWHERE: Self = Self { file: 0, len: 0, line: 0, column: 0 };

    /// Someone wrote this, so there is a line to show.
    #[must_use]
    pub fn is_written(self) -> bool {
        self.line > 0
    }

    /// The part of this span that begins `offset` characters in and is `len` characters long.
    #[must_use]
    pub fn part(self, offset: usize, len: usize) -> Self {
        let offset = u32::try_from(offset).unwrap_or(0);
        let len = u16::try_from(len.max(1)).unwrap_or(u16::MAX);
        Self { column: self.column.saturating_add(offset), len, ..self }
    }
}

/// A value and the place where it is written. Reads as the value; two are equal if their values are,
/// wherever they stand: that is what comparing two configurations needs.
#[derive(Clone, Copy, Debug, Default)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Its place, `Span::NOWHERE` for a default.
    pub span: Span,
}

impl<T> At<T> {
    /// A value at its place.
    pub const fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// A value that is written nowhere, such as a default.
    pub const fn implied(value: T) -> Self {
        Self { value, span: Span::NOWHERE }
    }

    /// The same place with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> At<U> {
        At { value: change(self.value), span: self.span }
    }
}

impl<T> Deref for At<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: PartialEq> PartialEq for At<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for At<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equality_ignores_the_place() {
        let here = Span { file: 0, len: 3, line: 4, column: 5 };
        assert_eq!(At::new(7, here), At::implied(7));
        assert_ne!(At::new(7, here), At::new(8, here));
    }

    #[test]
    fn a_part_moves_the_column() {
        let here = Span { file: 0, len: 9, line: 4, column: 5 };
        assert_eq!(here.part(2, 3), Span { file: 0, len: 3, line: 4, column: 7 });
        assert_eq!(here.part(0, 0).len, 1);
    }
}
