//! The fields of a message: one byte buffer, a list of ranges into it, and edits laid over them.
//!
//! An edit appends its text to the buffer and points the field there; a removed field stays in the list as a
//! mark. Lines that nobody touched are therefore still contiguous, and writing them is copying a few long runs.
use crate::{Error, FieldLine, FieldName, Name, NameSet, span::Span};
use std::ops::Range;

mod line;
mod writable;

pub(crate) use line::Line;
pub(crate) use writable::is_token_byte;
use writable::{is_value, writable, writable_as_value};

/// The fields of one message. Reused from message to message; [`Head::clear`] keeps its memory.
#[derive(Clone, Debug, Default)]
pub struct Head {
    pub(crate) text: Vec<u8>,
    lines: Vec<Line>,
    present: NameSet,
}

/// One field, as it stands after all edits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Which of the known names it is.
    pub id: Name,
    /// The name as the sender spelled it.
    pub name: &'a [u8],
    /// The value without surrounding white space.
    pub value: &'a [u8],
}

impl Head {
    /// Forgets the message and keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.lines.clear();
        self.present = NameSet::default();
    }

    /// The fields in the order in which they will be sent.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Field<'_>> {
        self.lines.iter().filter(|line| !line.gone).map(|line| line.view(&self.text))
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.lines.iter().filter(|line| !line.gone).count()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes that the fields occupy, for limits on memory.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// The first value of a field by its text, in any case.
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// All values of a field by its text, in any case.
    pub fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let wanted = Wanted::new(name.as_bytes());
        self.lines
            .iter()
            .filter(move |line| wanted.is(line, &self.text))
            .map(|line| line.value.of(&self.text))
    }

    /// As [`Head::values`], under a name that was classified before.
    pub fn values_named<'a>(&'a self, name: &'a FieldName) -> impl Iterator<Item = &'a [u8]> {
        let wanted = Wanted { id: name.id, name: &name.text };
        self.lines
            .iter()
            .filter(move |line| wanted.is(line, &self.text))
            .map(|line| line.value.of(&self.text))
    }

    /// The first value of a known field. Costs one bit test when it is absent.
    pub fn known(&self, name: Name) -> Option<&[u8]> {
        self.every(name).next()
    }

    /// All values of a known field.
    pub fn every(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        let lines = if self.present.contains(name) { self.lines.as_slice() } else { &[] };
        lines.iter().filter(move |line| !line.gone && line.id == name).map(|line| line.value.of(&self.text))
    }

    /// Whether one of these may be present: false is certain, true is not, since removals are not tracked.
    pub fn may_have(&self, names: NameSet) -> bool {
        self.present.meets(names)
    }

    /// Appends a field after the others.
    pub fn append(&mut self, name: &str, value: &[u8]) -> Result<(), Error> {
        self.append_parts(name.as_bytes(), &[value])
    }

    /// Appends a field whose value is written in pieces, which need no buffer of their own.
    pub fn append_parts(&mut self, name: &[u8], value: &[&[u8]]) -> Result<(), Error> {
        writable(name)?;
        self.append_as(Wanted::new(name), value)
    }

    /// As [`Head::append_parts`], under a name that was checked before.
    pub fn append_named(&mut self, name: &FieldName, value: &[&[u8]]) -> Result<(), Error> {
        self.append_as(Wanted::named(name)?, value)
    }

    /// As [`Head::append_named`], with a value of our own making, which is writable by itself: nothing is checked.
    pub fn append_own(&mut self, name: &FieldName, value: &[&[u8]]) {
        debug_assert_eq!(writable_as_value(value), Ok(()));
        if name.is_writable {
            self.add_parts(name.id, &name.text, value);
        }
    }

    /// Appends a line that was put together before.
    pub fn append_line(&mut self, line: &FieldLine) {
        let start = self.text.len();
        self.text.extend_from_slice(&line.text);
        let (name, next) = (start + line.name_len, self.text.len());
        let [start, name, value, end, next] =
            [start, name, name + 2, next.saturating_sub(2), next].map(Span::narrow);
        self.push(Line {
            id: line.id,
            gone: false,
            whole: Span { start, end: next },
            name: Span { start, end: name },
            value: Span { start: value, end },
        });
    }

    fn add_parts(&mut self, id: Name, name: &[u8], value: &[&[u8]]) {
        self.add(id, name, |text| {
            for part in value {
                text.extend_from_slice(part);
            }
        });
    }

    fn append_as(&mut self, wanted: Wanted<'_>, value: &[&[u8]]) -> Result<(), Error> {
        let start = self.text.len();
        self.add_parts(wanted.id, wanted.name, value);
        // The name is made of bytes that may stand in a value, so both are looked at in one go.
        let line = self.text.get(start..self.text.len().saturating_sub(2)).unwrap_or_default();
        if is_value(line) {
            return Ok(());
        }
        self.text.truncate(start);
        self.lines.pop();
        Err(Error::Unwritable)
    }

    /// Appends a known field, whose value `write` adds to the text it is given. Only for values of our own making, which
    /// are writable by themselves: nothing is checked.
    pub fn append_known(&mut self, name: Name, spelled: &'static str, write: impl FnOnce(&mut Vec<u8>)) {
        debug_assert_eq!(Name::parse(spelled.as_bytes()), name);
        self.add(name, spelled.as_bytes(), write);
    }

    /// Appends a known field with the first value of another one, if that is there.
    pub fn append_copy(&mut self, name: Name, spelled: &'static str, from: Name) {
        let lines = if self.present.contains(from) { self.lines.as_slice() } else { &[] };
        if let Some(line) = lines.iter().find(|line| !line.gone && line.id == from) {
            let value = line.value.range();
            self.append_known(name, spelled, |text| text.extend_from_within(value));
        }
    }

    /// Appends a known field whose value takes up the first value of another one, which lies at the given place of the text
    /// that is added to; it is empty if there is none.
    pub fn append_around(
        &mut self,
        (name, spelled): (Name, &'static str),
        around: Name,
        write: impl FnOnce(&mut Vec<u8>, Range<usize>),
    ) {
        let lines = if self.present.contains(around) { self.lines.as_slice() } else { &[] };
        let line = lines.iter().find(|line| !line.gone && line.id == around);
        let place = line.map_or(0..0, |line| line.value.range());
        self.append_known(name, spelled, |text| write(text, place));
    }

    /// Writes a whole line behind the text, so that lines added one after the other leave in one run.
    fn add(&mut self, id: Name, name: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.text.len();
        self.text.extend_from_slice(name);
        self.text.extend_from_slice(b": ");
        let value = self.text.len();
        write(&mut self.text);
        let end = self.text.len();
        self.text.extend_from_slice(b"\r\n");
        let [start, colon, value, end, next] = [start, value - 2, value, end, end + 2].map(Span::narrow);
        self.push(Line {
            id,
            gone: false,
            whole: Span { start, end: next },
            name: Span { start, end: colon },
            value: Span { start: value, end },
        });
    }

    /// Gives a field exactly one value, in the place of its first occurrence.
    pub fn set(&mut self, name: &str, value: &[u8]) -> Result<(), Error> {
        self.set_parts(name.as_bytes(), &[value])
    }

    /// As [`Head::set`], with a value written in pieces.
    pub fn set_parts(&mut self, name: &[u8], value: &[&[u8]]) -> Result<(), Error> {
        writable(name)?;
        self.set_as(Wanted::new(name), value)
    }

    /// As [`Head::set_parts`], under a name that was checked before.
    pub fn set_named(&mut self, name: &FieldName, value: &[&[u8]]) -> Result<(), Error> {
        self.set_as(Wanted::named(name)?, value)
    }

    /// As [`Head::set_named`], with a value of our own making, as [`Head::append_own`] takes it.
    pub fn set_own(&mut self, name: &FieldName, value: &[&[u8]]) {
        let Ok(wanted) = Wanted::named(name) else { return };
        match self.position(wanted) {
            Some(first) => self.replace(first, wanted, value),
            None => self.append_own(name, value),
        }
    }

    fn set_as(&mut self, wanted: Wanted<'_>, value: &[&[u8]]) -> Result<(), Error> {
        let Some(first) = self.position(wanted) else { return self.append_as(wanted, value) };
        writable_as_value(value)?;
        self.replace(first, wanted, value);
        Ok(())
    }

    /// Where the first field of a name stands. Costs one bit test when a known one is absent.
    fn position(&self, wanted: Wanted<'_>) -> Option<usize> {
        if !self.may_have_it(wanted.id) {
            return None;
        }
        self.lines.iter().position(|line| wanted.is(line, &self.text))
    }

    fn may_have_it(&self, id: Name) -> bool {
        id == Name::Other || self.present.contains(id)
    }

    /// Gives the field at a place this value, and takes away those behind it of the same name.
    fn replace(&mut self, first: usize, wanted: Wanted<'_>, value: &[&[u8]]) {
        let stored = self.store(value);
        let mut rest = self.lines.iter_mut().skip(first);
        if let Some(line) = rest.next() {
            line.edit(line.name, stored);
        }
        for line in rest.filter(|line| wanted.is(line, &self.text)) {
            line.gone = true;
        }
    }

    /// Removes every field of that name and says whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        self.remove_as(Wanted::new(name.as_bytes()))
    }

    /// As [`Head::remove`], under a name that was classified before.
    pub fn remove_named(&mut self, name: &FieldName) -> bool {
        Wanted::named(name).is_ok_and(|wanted| self.remove_as(wanted))
    }

    /// Whether there is a field of that name.
    pub fn has_named(&self, name: &FieldName) -> bool {
        self.values_named(name).next().is_some()
    }

    fn remove_as(&mut self, wanted: Wanted<'_>) -> bool {
        if !self.may_have_it(wanted.id) {
            return false;
        }
        let text = &self.text;
        let mut found = false;
        for line in self.lines.iter_mut().filter(|line| wanted.is(line, text)) {
            line.gone = true;
            found = true;
        }
        found
    }

    /// Removes every field that is in the set; a bit test when there is none.
    pub fn remove_set(&mut self, names: NameSet) {
        if self.may_have(names) {
            self.remove_where(|field| names.contains(field.id));
        }
    }

    /// Removes every field of which `condemned` is true.
    pub fn remove_where(&mut self, condemned: impl Fn(Field<'_>) -> bool) {
        let text = &self.text;
        for line in self.lines.iter_mut().filter(|line| !line.gone) {
            line.gone = condemned(line.view(text));
        }
    }

    /// Gives every field of one name another name.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), Error> {
        writable(to.as_bytes())?;
        let (wanted, id) = (Wanted::new(from.as_bytes()), Name::parse(to.as_bytes()));
        let stored = self.store(&[to.as_bytes()]);
        let text = &self.text;
        for line in self.lines.iter_mut().filter(|line| wanted.is(line, text)) {
            line.edit(stored, line.value);
            line.id = id;
            self.present.insert(id);
        }
        Ok(())
    }

    /// Writes every field as a line of HTTP/1.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut run = Span::default();
        for line in self.lines.iter().filter(|line| !line.gone) {
            if !line.whole.is_empty() && line.whole.start == run.end {
                run.end = line.whole.end;
                continue;
            }
            out.extend_from_slice(run.of(&self.text));
            run = line.whole;
            if run.is_empty() {
                line.write(&self.text, out);
            }
        }
        out.extend_from_slice(run.of(&self.text));
    }

    /// Takes a line that a parser has checked.
    pub(crate) fn push(&mut self, line: Line) {
        self.present.insert(line.id);
        self.lines.push(line);
    }

    /// Puts bytes behind the text and says where they are.
    pub(crate) fn store(&mut self, parts: &[&[u8]]) -> Span {
        let start = self.text.len();
        for part in parts {
            self.text.extend_from_slice(part);
        }
        Span::new(start, self.text.len())
    }
}

/// The name that is looked for, classified once.
#[derive(Clone, Copy)]
struct Wanted<'n> {
    id: Name,
    name: &'n [u8],
}

impl<'n> Wanted<'n> {
    fn new(name: &'n [u8]) -> Wanted<'n> {
        Wanted { id: Name::parse(name), name }
    }

    fn named(name: &'n FieldName) -> Result<Wanted<'n>, Error> {
        debug_assert_eq!(Name::parse(&name.text), name.id);
        if name.is_writable { Ok(Wanted { id: name.id, name: &name.text }) } else { Err(Error::Unwritable) }
    }

    fn is(self, line: &Line, text: &[u8]) -> bool {
        !line.gone
            && line.id == self.id
            && (self.id != Name::Other || line.name.of(text).eq_ignore_ascii_case(self.name))
    }
}

#[cfg(test)]
mod tests;
