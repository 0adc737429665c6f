//! What one worker has verified already, issuer by issuer.
//!
//! A token is found by the end of its signature, which nobody can choose who cannot sign, mixed with a random
//! seed; and it counts as found only if every byte of it, its issuer's rules and its issuer's keys are the same.
use super::token::Header;
use super::{Claims, Refusal};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

mod shelf;

pub use shelf::Memory;
use shelf::{Entry, Shelf};

/// How many headers are remembered.
const HEADERS: usize = 16;
/// How many issuers' tokens are remembered at once.
const SHELVES_MAX: usize = 64;

/// The verified tokens of one worker.
#[derive(Debug)]
pub struct Tokens {
    seed: [u64; 2],
    shelves: Vec<Shelf>,
    /// Issuers use few headers; each is parsed once.
    headers: Vec<Option<Remembered>>,
    signature: Vec<u8>,
}

#[derive(Debug)]
struct Remembered {
    rules: u64,
    text: Box<[u8]>,
    header: Header,
}

/// For whom a token is looked up: the issuer, the keys of this moment, and how much is remembered of its tokens.
#[derive(Clone, Copy)]
pub(super) struct Holder<'v> {
    pub(super) issuer: u64,
    pub(super) alive: &'v Arc<()>,
    pub(super) keys: u64,
    pub(super) memory: Memory,
}

impl Default for Tokens {
    fn default() -> Tokens {
        let random = RandomState::new();
        Tokens {
            seed: [random.hash_one(0), random.hash_one(1) | 1],
            shelves: Vec::new(),
            headers: std::iter::repeat_with(|| None).take(HEADERS).collect(),
            signature: Vec::new(),
        }
    }
}

impl Tokens {
    /// How many bytes the verified tokens occupy.
    pub fn bytes(&self) -> usize {
        self.shelves.iter().map(Shelf::bytes).sum()
    }

    /// How many tokens are held.
    pub fn len(&self) -> usize {
        self.shelves.iter().map(Shelf::len).sum()
    }

    /// Whether no token is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn find(&mut self, holder: Holder<'_>, token: &[u8], now_s: u64) -> Option<Arc<Claims>> {
        let mark = self.mark(token);
        let shelf = self.shelves.iter_mut().find(|shelf| shelf.issuer == holder.issuer)?;
        shelf.turn_to(holder.keys);
        shelf.find(mark, token, now_s).map(Arc::clone)
    }

    /// Remembers a token that was verified; how many others had to go that still counted.
    pub(super) fn insert(
        &mut self,
        holder: Holder<'_>,
        token: &[u8],
        claims: &Arc<Claims>,
        now_s: u64,
    ) -> u64 {
        if holder.memory.tokens_max == 0 {
            return 0;
        }
        let mark = self.mark(token);
        let until_s = now_s.saturating_add(holder.memory.ttl_s);
        let Some(shelf) = self.shelf(holder) else { return 0 };
        shelf.turn_to(holder.keys);
        shelf.insert(mark, Entry { token: token.into(), claims: Arc::clone(claims), until_s }, now_s)
    }

    /// The shelf of an issuer. For a new one, those of issuers that are gone make room.
    fn shelf(&mut self, holder: Holder<'_>) -> Option<&mut Shelf> {
        let known = self.shelves.iter().position(|shelf| shelf.issuer == holder.issuer);
        let place = known.unwrap_or_else(|| {
            self.shelves.retain(Shelf::is_wanted);
            self.shelves.truncate(SHELVES_MAX - 1);
            self.shelves.push(Shelf::new(holder.issuer, Arc::downgrade(holder.alive), holder.memory));
            self.shelves.len() - 1
        });
        self.shelves.get_mut(place)
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
}
