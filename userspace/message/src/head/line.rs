//! One field of a head as ranges.
use crate::{Field, Name, span::Span};

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Line {
    pub(crate) id: Name,
    /// Removed; the place stays so that its neighbours keep theirs.
    pub(crate) gone: bool,
    /// The line as received with its end, when it may be sent just so; empty for a line that must be built.
    pub(crate) whole: Span,
    pub(crate) name: Span,
    pub(crate) value: Span,
}

impl Line {
    /// A received line that ends (with CR LF) at `end`. It may be sent as it came only in its plainest form:
    /// one space after the colon, none before the end.
    pub(crate) fn received(text: &[u8], name: Span, value: Span, end: usize) -> Line {
        let plain = value.start == name.end.saturating_add(2)
            && value.end.saturating_add(2) as usize == end
            && text.get(name.end as usize + 1) == Some(&b' ');
        let whole = if plain { Span::new(name.start as usize, end) } else { Span::default() };
        Line { id: Name::parse(name.of(text)), gone: false, whole, name, value }
    }

    pub(crate) fn edit(&mut self, name: Span, value: Span) {
        (self.name, self.value, self.whole) = (name, value, Span::default());
    }

    pub(crate) fn view<'a>(&self, text: &'a [u8]) -> Field<'a> {
        Field { id: self.id, name: self.name.of(text), value: self.value.of(text) }
    }

    pub(crate) fn write(&self, text: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(self.name.of(text));
        out.extend_from_slice(b": ");
        out.extend_from_slice(self.value.of(text));
        out.extend_from_slice(b"\r\n");
    }
}
