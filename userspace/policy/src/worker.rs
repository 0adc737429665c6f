//! What the policies of one worker keep for themselves, shared with nobody.
use crate::jwt::Tokens;
use std::hash::{BuildHasher, RandomState};

/// One worker's memory: verified tokens, random numbers, scratch space.
#[derive(Debug)]
pub struct Worker {
    /// Tokens that this worker has verified.
    pub tokens: Tokens,
    /// Room for a text that is being put together.
    pub(crate) scratch: Vec<u8>,
    random: u64,
}

impl Default for Worker {
    fn default() -> Worker {
        Worker { tokens: Tokens::default(), scratch: Vec::new(), random: RandomState::new().hash_one(0) }
    }
}

impl Worker {
    /// A number that tells requests apart. It is not secret (SplitMix64 from a random seed).
    pub(crate) fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ self.random >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}
