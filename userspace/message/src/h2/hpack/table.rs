//! The fields that a peer has told us to remember (RFC 7541, section 2.3.2): the newest first, the oldest forgotten when
//! there is no room. One buffer holds their text, so that a table that has warmed up allocates nothing.
use std::collections::VecDeque;

/// What each field costs beside its text (section 4.1).
const OVERHEAD: usize = 32;

/// Where a field stands in the text.
#[derive(Clone, Copy, Debug)]
struct Entry {
    start: usize,
    name: usize,
    value: usize,
}

impl Entry {
    fn size(self) -> usize {
        self.name + self.value + OVERHEAD
    }
}

/// The dynamic table of one direction of a connection.
#[derive(Debug)]
pub(super) struct Table {
    /// The oldest in front.
    entries: VecDeque<Entry>,
    text: Vec<u8>,
    size: usize,
    size_max: usize,
}

impl Table {
    pub(super) fn new(size_max: usize) -> Table {
        Table { entries: VecDeque::new(), text: Vec::new(), size: 0, size_max }
    }

    /// The field that is so many places behind the newest.
    pub(super) fn find(&self, age: usize) -> Option<(&[u8], &[u8])> {
        let at = self.entries.len().checked_sub(age + 1)?;
        let entry = self.entries.get(at)?;
        self.text.get(entry.start..entry.start + entry.name + entry.value)?.split_at_checked(entry.name)
    }

    /// Remembers a field. One that is larger than the table empties it (section 4.4).
    pub(super) fn insert(&mut self, name: &[u8], value: &[u8]) {
        let entry = Entry { start: 0, name: name.len(), value: value.len() };
        self.make_room(entry.size());
        if entry.size() > self.size_max {
            return;
        }
        self.compact();
        self.entries.push_back(Entry { start: self.text.len(), ..entry });
        self.text.extend_from_slice(name);
        self.text.extend_from_slice(value);
        self.size += entry.size();
    }

    /// Gives the table another size (section 4.3).
    pub(super) fn resize(&mut self, size_max: usize) {
        self.size_max = size_max;
        self.make_room(0);
    }

    /// Forgets the oldest until so much fits in.
    fn make_room(&mut self, wanted: usize) {
        while self.size + wanted > self.size_max {
            let Some(oldest) = self.entries.pop_front() else { return };
            self.size -= oldest.size();
        }
    }

    /// Moves the text to the front once as much before it is forgotten as the table may hold.
    fn compact(&mut self) {
        let gone = self.entries.front().map_or(self.text.len(), |oldest| oldest.start);
        if gone >= self.size_max.max(1) || gone == self.text.len() {
            self.text.drain(..gone);
            self.entries.iter_mut().for_each(|entry| entry.start -= gone);
        }
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_field_that_does_not_fit_empties_the_table() {
        let mut table = Table::new(40);
        table.insert(b"name", b"valu");
        assert_eq!((table.size(), table.find(0)), (40, Some((&b"name"[..], &b"valu"[..]))));
        table.insert(b"name", b"value");
        assert_eq!((table.size(), table.find(0)), (0, None));
    }

    proptest! {
        #[test]
        fn it_holds_the_newest_that_fit_in(
            fields in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..30), prop::collection::vec(any::<u8>(), 0..30)), 0..200),
            sizes in prop::collection::vec(0_usize..400, 1..4),
        ) {
            let (mut table, mut plain) = (Table::new(300), VecDeque::new());
            let mut size_max = 300;
            for (at, (name, value)) in fields.into_iter().enumerate() {
                if at % 50 == 49 {
                    size_max = sizes[at / 50 % sizes.len()];
                    table.resize(size_max);
                }
                table.insert(&name, &value);
                plain.push_front((name, value));
                let size = |plain: &VecDeque<(Vec<u8>, Vec<u8>)>| -> usize {
                    plain.iter().map(|(name, value)| name.len() + value.len() + OVERHEAD).sum()
                };
                while size(&plain) > size_max {
                    plain.pop_back();
                }
                prop_assert_eq!(table.size(), size(&plain));
                for (age, (name, value)) in plain.iter().enumerate() {
                    prop_assert_eq!(table.find(age), Some((name.as_slice(), value.as_slice())));
                }
                prop_assert_eq!(table.find(plain.len()), None);
                prop_assert!(table.text.len() <= 2 * 400 + 60, "forgotten text is given up");
            }
        }
    }
}
