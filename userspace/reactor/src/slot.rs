//! The table of operations in flight. A slot owns what its operation needs (descriptor, buffer) until the last
//! completion arrives, whatever becomes of the future that asked for it.

use crate::op::accept::Acceptor;
use crate::shelf::Shelf;
use crate::socket::Socket;
use std::any::Any;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::task::Waker;

/// A slot's name: its index, and how often the index was used before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    index: u32,
    generation: u32,
}

impl Key {
    /// The key as the word that travels through the kernel. The topmost generations are left for [`IGNORED`].
    pub(crate) fn word(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the word")]
    pub(crate) fn of(word: u64) -> Key {
        Key { index: word as u32, generation: (word >> 32) as u32 }
    }
}

/// Completions that nobody waits for: cancels and closes.
pub(crate) const IGNORED: u64 = u64::MAX;
/// The completion of the read on the inbox's bell.
pub(crate) const BELL: u64 = u64::MAX - 1;
/// Generations stay below this, so that no key equals one of the words above.
const GENERATIONS: u32 = u32::MAX;

/// How completions are dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One completion, awaited by one future.
    Once,
    /// Any number of received buffers for the socket.
    Recv,
    /// Any number of connections for the acceptor.
    Accept,
    /// A result, then a notification that the buffer is free.
    ZeroCopy,
    /// One completion for the socket, awaited by nobody.
    Post,
}

/// Where a slot stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// In flight, its future waits.
    Waiting,
    /// Complete with the slot's result; the future has not looked yet.
    Done,
    /// The result was taken, the kernel still holds the buffer.
    Lingering,
    /// The future is gone.
    Orphan,
}

/// What an operation keeps open.
pub(crate) enum Hold {
    #[cfg(test)]
    Nothing,
    Socket(Rc<Socket>),
    Acceptor(Rc<Acceptor>),
    File(#[expect(dead_code, reason = "held, never looked at")] Rc<OwnedFd>),
}

/// One operation in flight. Every idle connection has one, so it is small.
pub(crate) struct Slot {
    pub(crate) kind: Kind,
    pub(crate) phase: Phase,
    pub(crate) result: i32,
    pub(crate) waker: Option<Waker>,
    pub(crate) hold: Hold,
    keep: Option<Kept>,
}

/// A buffer of any kind, by one word.
type Kept = Box<Box<dyn Any>>;

const _: () = assert!(size_of::<Entry>() <= 56, "what an idle connection has in the table");

impl Slot {
    pub(crate) fn new(kind: Kind, hold: Hold) -> Slot {
        Slot { kind, phase: Phase::Waiting, result: 0, waker: None, hold, keep: None }
    }

    /// Holds the buffer of an operation whose future is gone, or of a zero-copy send.
    pub(crate) fn keep(&mut self, buffer: Box<dyn Any>) {
        self.keep = Some(Box::new(buffer));
    }

    /// Lets go of what it has kept.
    pub(crate) fn take_kept(&mut self) -> Option<Kept> {
        self.keep.take()
    }

    /// It is complete.
    pub(crate) fn finish(&mut self, result: i32) {
        (self.phase, self.result) = (Phase::Done, result);
    }
}

enum Place {
    Free { next: Option<u32> },
    Taken(Slot),
}

struct Entry {
    generation: u32,
    place: Place,
}

/// All operations in flight.
#[derive(Default)]
pub(crate) struct Slots {
    entries: Shelf<Entry>,
    free: Option<u32>,
    live: u32,
}

impl Slots {
    pub(crate) fn live(&self) -> u32 {
        self.live
    }

    pub(crate) fn insert(&mut self, slot: Slot) -> Option<Key> {
        let key = match self.free {
            Some(index) => {
                let entry = self.entries.find_mut(index as usize)?;
                let Place::Free { next } = entry.place else { return None };
                self.free = next;
                entry.place = Place::Taken(slot);
                Key { index, generation: entry.generation }
            }
            None => {
                let index = u32::try_from(self.entries.len()).ok()?;
                self.entries.push(Entry { generation: 0, place: Place::Taken(slot) });
                Key { index, generation: 0 }
            }
        };
        self.live += 1;
        Some(key)
    }

    #[inline]
    pub(crate) fn find(&mut self, key: Key) -> Option<&mut Slot> {
        match self.entries.find_mut(key.index as usize) {
            Some(Entry { generation, place: Place::Taken(slot) }) if *generation == key.generation => {
                Some(slot)
            }
            _ => None,
        }
    }

    /// Frees the slot and hands out what it owned, to be dropped where nothing is borrowed.
    pub(crate) fn remove(&mut self, key: Key) -> Option<Slot> {
        let entry = self.entries.find_mut(key.index as usize)?;
        if entry.generation != key.generation || !matches!(entry.place, Place::Taken(_)) {
            return None;
        }
        entry.generation = (entry.generation + 1) % GENERATIONS;
        let place = std::mem::replace(&mut entry.place, Place::Free { next: self.free });
        self.free = Some(key.index);
        self.live -= 1;
        match place {
            Place::Taken(slot) => Some(slot),
            Place::Free { .. } => None,
        }
    }

    /// The keys of everything in flight.
    pub(crate) fn keys(&self) -> Vec<Key> {
        let taken = self.entries.iter().enumerate().filter(|(_, e)| matches!(e.place, Place::Taken(_)));
        taken
            .filter_map(|(i, e)| Some(Key { index: u32::try_from(i).ok()?, generation: e.generation }))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot() -> Slot {
        Slot::new(Kind::Once, Hold::Nothing)
    }

    #[test]
    fn a_key_dies_with_its_slot() {
        let mut slots = Slots::default();
        let first = slots.insert(slot()).unwrap();
        assert!(slots.find(first).is_some());
        assert!(slots.remove(first).is_some());
        let second = slots.insert(slot()).unwrap();
        assert_eq!(first.index, second.index);
        assert!(slots.find(first).is_none(), "the index is reused, the key is not");
        assert!(slots.remove(first).is_none());
        assert!(slots.find(second).is_some());
        assert_eq!(slots.live(), 1);
    }

    #[test]
    fn keys_travel_through_a_word() {
        let key = Key { index: 7, generation: 0xdead };
        assert_eq!(Key::of(key.word()), key);
        let last = Key { index: u32::MAX, generation: GENERATIONS - 1 };
        assert!(last.word() < BELL);
    }

    #[test]
    fn free_slots_are_reused_before_new_ones_are_made() {
        let mut slots = Slots::default();
        let keys: Vec<_> = (0..10).map(|_| slots.insert(slot()).unwrap()).collect();
        for key in &keys {
            slots.remove(*key);
        }
        for _ in 0..10 {
            slots.insert(slot()).unwrap();
        }
        assert_eq!(slots.entries.len(), 10);
        assert_eq!(slots.keys().len(), 10);
    }
}
