//! The verified tokens of one issuer: a bounded table of whole tokens, for one set of keys at a time.
use crate::jwt::Claims;
use std::sync::{Arc, Weak};

/// How many tokens share one place of the table.
const WAYS: usize = 4;

/// How much is remembered of the tokens of one issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Tokens that each worker remembers, about; 0 remembers none.
    pub tokens_max: usize,
    /// Bytes that they occupy in each worker, never more.
    pub bytes_max: usize,
    /// Seconds after which a token is verified anew although it has not expired.
    pub ttl_s: u64,
}

impl Default for Memory {
    fn default() -> Memory {
        Memory { tokens_max: 10_000, bytes_max: 16 << 20, ttl_s: 300 }
    }
}

/// The verified tokens of one issuer.
#[derive(Debug)]
pub(super) struct Shelf {
    /// Whose they are.
    pub(super) issuer: u64,
    /// Ends with the issuer.
    alive: Weak<()>,
    /// The keys that verified them.
    keys: u64,
    sets: Box<[Set]>,
    bytes: usize,
    bytes_max: usize,
    /// The next place to look at when memory has to be freed.
    hand: usize,
}

#[derive(Debug, Default)]
struct Set {
    marks: [u64; WAYS],
    entries: [Option<Entry>; WAYS],
    /// The way that is replaced next when all are in use.
    turn: usize,
}

/// A token that was verified.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) token: Box<[u8]>,
    pub(super) claims: Arc<Claims>,
    /// The second from which on it is verified anew.
    pub(super) until_s: u64,
}

impl Entry {
    fn bytes(&self) -> usize {
        self.token.len() + self.claims.document.bytes() + size_of::<Claims>()
    }

    fn holds_at(&self, now_s: u64) -> bool {
        now_s < self.until_s && self.claims.holds_at(now_s)
    }
}

impl Shelf {
    pub(super) fn new(issuer: u64, alive: Weak<()>, memory: Memory) -> Shelf {
        let sets = memory.tokens_max.div_ceil(WAYS).next_power_of_two();
        let sets = std::iter::repeat_with(Set::default).take(sets).collect();
        Shelf { issuer, alive, keys: 0, sets, bytes: 0, bytes_max: memory.bytes_max, hand: 0 }
    }

    /// Whether there is still somebody who asks for these tokens.
    pub(super) fn is_wanted(&self) -> bool {
        self.alive.strong_count() > 0
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.sets.iter().flat_map(|set| &set.entries).flatten().count()
    }

    /// Goes on with these keys. What others have verified is dropped.
    pub(super) fn turn_to(&mut self, keys: u64) {
        if self.keys != keys {
            (self.keys, self.bytes) = (keys, 0);
            self.sets.iter_mut().for_each(|set| *set = Set::default());
        }
    }

    pub(super) fn find(&self, mark: u64, token: &[u8], now_s: u64) -> Option<&Arc<Claims>> {
        let set = self.sets.get(self.place(mark))?;
        let marked = set.marks.iter().zip(&set.entries).filter(|(found, _)| **found == mark);
        let same = |entry: &&Entry| *entry.token == *token && entry.holds_at(now_s);
        marked.filter_map(|(_, entry)| entry.as_ref()).find(same).map(|entry| &entry.claims)
    }

    /// Remembers a token; how many others had to go that still counted.
    pub(super) fn insert(&mut self, mark: u64, entry: Entry, now_s: u64) -> u64 {
        let bytes = entry.bytes();
        if bytes > self.bytes_max {
            return 0;
        }
        let mut forgotten = 0;
        while self.bytes + bytes > self.bytes_max {
            forgotten += self.evict_at_hand(now_s);
        }
        let place = self.place(mark);
        let Some(set) = self.sets.get_mut(place) else { return forgotten };
        let way = set.way(now_s);
        if let (Some(slot), Some(found)) = (set.entries.get_mut(way), set.marks.get_mut(way)) {
            forgotten += u64::from(slot.as_ref().is_some_and(|old| old.holds_at(now_s)));
            self.bytes = self.bytes + bytes - slot.as_ref().map_or(0, Entry::bytes);
            (*slot, *found) = (Some(entry), mark);
        }
        forgotten
    }

    fn evict_at_hand(&mut self, now_s: u64) -> u64 {
        self.hand = (self.hand + 1) % self.sets.len().max(1);
        let Some(set) = self.sets.get_mut(self.hand) else { return 0 };
        let mut forgotten = 0;
        for entry in set.entries.iter_mut().filter_map(Option::take) {
            self.bytes -= entry.bytes();
            forgotten += u64::from(entry.holds_at(now_s));
        }
        forgotten
    }

    fn place(&self, mark: u64) -> usize {
        // The table's size is a power of two.
        usize::try_from(mark >> 20).unwrap_or_default() & (self.sets.len().saturating_sub(1))
    }
}

impl Set {
    /// A way that is free or no longer counts; else the one whose turn it is.
    fn way(&mut self, now_s: u64) -> usize {
        let is_free = |entry: &Option<Entry>| entry.as_ref().is_none_or(|entry| !entry.holds_at(now_s));
        self.entries.iter().position(is_free).unwrap_or_else(|| {
            self.turn = (self.turn + 1) % WAYS;
            self.turn
        })
    }
}
