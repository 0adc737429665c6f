//! What one worker has verified already: a bounded table of whole tokens.
//!
//! A token is found by the end of its signature, which nobody can choose who cannot sign, mixed with a random
//! seed; and it counts as found only if every byte of it, its issuer's rules and its issuer's keys are the same.
use super::token::Header;
use super::{Claims, Refusal};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// How many tokens share one place of the table.
const WAYS: usize = 4;
/// How many headers are remembered.
const HEADERS: usize = 16;

/// Rules and keys that a token was verified under.
pub(super) type Realm = (u64, u64);

/// The verified tokens of one worker.
#[derive(Debug)]
pub struct Tokens {
    seed: [u64; 2],
    sets: Vec<Set>,
    bytes: usize,
    bytes_max: usize,
    /// The next place to look at when memory has to be freed.
    hand: usize,
    /// Issuers use few headers; each is parsed once.
    headers: Vec<Option<Remembered>>,
    signature: Vec<u8>,
}

#[derive(Debug, Default)]
struct Set {
    marks: [u64; WAYS],
    entries: [Option<Entry>; WAYS],
    /// The way that is replaced next when all are in use.
    turn: usize,
}

#[derive(Debug)]
struct Entry {
    realm: Realm,
    token: Box<[u8]>,
    claims: Arc<Claims>,
}

impl Entry {
    fn bytes(&self) -> usize {
        self.token.len() + self.claims.document.bytes() + size_of::<Claims>()
    }
}

#[derive(Debug)]
struct Remembered {
    rules: u64,
    text: Box<[u8]>,
    header: Header,
}

impl Tokens {
    /// The default for `tokens`.
    pub const TOKENS: usize = 8_192;
    /// The default for `bytes_max`.
    pub const BYTES_MAX: usize = 16 << 20;

    /// A table for about this many tokens and never more than this many bytes.
    pub fn new(tokens: usize, bytes_max: usize) -> Tokens {
        let random = RandomState::new();
        let sets = tokens.div_ceil(WAYS).next_power_of_two();
        Tokens {
            seed: [random.hash_one(0), random.hash_one(1) | 1],
            sets: std::iter::repeat_with(Set::default).take(sets).collect(),
            bytes: 0,
            bytes_max,
            hand: 0,
            headers: std::iter::repeat_with(|| None).take(HEADERS).collect(),
            signature: Vec::new(),
        }
    }

    /// How many bytes the verified tokens occupy.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many tokens are held.
    pub fn len(&self) -> usize {
        self.sets.iter().flat_map(|set| &set.entries).flatten().count()
    }

    /// Whether no token is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn find(&self, realm: Realm, token: &[u8], now_s: u64) -> Option<Arc<Claims>> {
        let mark = self.mark(token);
        let set = self.sets.get(self.place(mark))?;
        let same =
            |entry: &&Entry| entry.realm == realm && *entry.token == *token && entry.claims.holds_at(now_s);
        let marked = set.marks.iter().zip(&set.entries).filter(|(found, _)| **found == mark);
        marked.filter_map(|(_, entry)| entry.as_ref()).find(same).map(|entry| Arc::clone(&entry.claims))
    }

    pub(super) fn insert(&mut self, realm: Realm, token: &[u8], claims: &Arc<Claims>) {
        let entry = Entry { realm, token: token.into(), claims: Arc::clone(claims) };
        let (bytes, mark) = (entry.bytes(), self.mark(token));
        if bytes > self.bytes_max {
            return;
        }
        while self.bytes + bytes > self.bytes_max {
            self.evict_at_hand();
        }
        let place = self.place(mark);
        let Some(set) = self.sets.get_mut(place) else { return };
        let way = set.entries.iter().position(Option::is_none).unwrap_or(set.turn);
        set.turn = (set.turn + 1) % WAYS;
        if let (Some(slot), Some(found)) = (set.entries.get_mut(way), set.marks.get_mut(way)) {
            self.bytes = self.bytes + bytes - slot.as_ref().map_or(0, Entry::bytes);
            (*slot, *found) = (Some(entry), mark);
        }
    }

    /// The header of a token, parsed now or before, and a buffer for its signature.
    pub(super) fn header(
        &mut self,
        rules: u64,
        text: &[u8],
        parse: impl FnOnce() -> Result<Header, Refusal>,
    ) -> Result<(&Header, &mut Vec<u8>), Refusal> {
        let place = usize::try_from(rules).unwrap_or_default() % HEADERS;
        let slot = self.headers.get_mut(place).ok_or(Refusal::Header)?;
        if !slot.as_ref().is_some_and(|known| known.rules == rules && *known.text == *text) {
            *slot = Some(Remembered { rules, text: text.into(), header: parse()? });
        }
        slot.as_ref().map(|known| (&known.header, &mut self.signature)).ok_or(Refusal::Header)
    }

    fn evict_at_hand(&mut self) {
        self.hand = (self.hand + 1) % self.sets.len().max(1);
        let Some(set) = self.sets.get_mut(self.hand) else { return };
        for entry in set.entries.iter_mut().filter_map(Option::take) {
            self.bytes -= entry.bytes();
        }
    }

    /// One folded multiplication over the last sixteen bytes but two; those two hold few bits in some encodings.
    fn mark(&self, token: &[u8]) -> u64 {
        let end = token.len().saturating_sub(2);
        let tail = token.get(..end).and_then(|token| token.last_chunk::<16>()).copied().unwrap_or_default();
        let tail = u128::from_le_bytes(tail);
        let [low, high] = [tail & u128::from(u64::MAX), tail >> 64];
        let product = (low ^ u128::from(self.seed[0])) * (high ^ u128::from(self.seed[1]));
        let folded = (product ^ product >> 64) & u128::from(u64::MAX);
        u64::try_from(folded).unwrap_or_default()
    }

    fn place(&self, mark: u64) -> usize {
        // The table's size is a power of two.
        usize::try_from(mark >> 20).unwrap_or_default() & (self.sets.len().saturating_sub(1))
    }
}
