//! A range of bytes inside a head's buffer: eight bytes instead of a pointer, and it survives growth.
use std::ops::Range;

/// Where a piece of text stands in the buffer of its head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) fn new(start: usize, end: usize) -> Span {
        Span { start: Span::narrow(start), end: Span::narrow(end) }
    }

    /// Offsets beyond `u32` cannot occur: heads are limited to far less. They saturate, and so read as empty.
    pub(crate) fn narrow(offset: usize) -> u32 {
        u32::try_from(offset).unwrap_or(u32::MAX)
    }

    /// The span of `part`, which must be a piece of `whole`.
    pub(crate) fn within(whole: &[u8], part: &[u8]) -> Span {
        let start = part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr());
        Span::new(start, start.saturating_add(part.len()))
    }

    pub(crate) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    pub(crate) fn of(self, text: &[u8]) -> &[u8] {
        text.get(self.range()).unwrap_or_default()
    }

    pub(crate) fn is_empty(self) -> bool {
        self.start >= self.end
    }
}
