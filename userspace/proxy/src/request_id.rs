//! Request ids: unique without asking anyone, and unguessable enough to be quoted in an answer.
use std::hash::{BuildHasher, RandomState};

/// One worker's source of ids.
#[derive(Debug)]
pub(crate) struct Ids {
    state: [u64; 2],
}

/// An id as text: a UUID of version 4.
pub(crate) type Id = [u8; 36];

impl Default for Ids {
    fn default() -> Ids {
        let random = || RandomState::new().hash_one(0_u8) | 1;
        Ids { state: [random(), random()] }
    }
}

impl Ids {
    /// Those that follow from a seed, for worlds that have to be the same again.
    pub(crate) fn of_seed(seed: u64) -> Ids {
        let mut ids = Ids { state: [seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, seed] };
        // The first numbers of a state with few ones have few ones, too.
        for _ in 0..16 {
            ids.random();
        }
        ids
    }

    /// The next id.
    pub(crate) fn draw(&mut self) -> Id {
        let (high, low) = (self.random(), self.random());
        let high = high & !0xf000 | 0x4000;
        let low = low & !(0b11 << 62) | 1 << 63;
        let mut text = *b"00000000-0000-0000-0000-000000000000";
        let mut nibbles =
            (0..16).rev().map(|at| high >> (at * 4) & 15).chain((0..16).rev().map(|at| low >> (at * 4) & 15));
        for place in text.iter_mut().filter(|place| **place != b'-') {
            let nibble = nibbles.next().and_then(|nibble| u8::try_from(nibble).ok()).unwrap_or(0);
            *place = if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
        }
        text
    }

    /// xoroshiro128+, seeded from the randomness of the process.
    pub(crate) fn random(&mut self) -> u64 {
        let [a, mut b] = self.state;
        let out = a.wrapping_add(b);
        b ^= a;
        self.state = [a.rotate_left(24) ^ b ^ (b << 16), b.rotate_left(37)];
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_uuids_and_differ() {
        let mut ids = Ids::default();
        let many: HashSet<Id> = (0..10_000).map(|_| ids.draw()).collect();
        assert_eq!(many.len(), 10_000);
        for id in many {
            assert_eq!((id[8], id[13], id[14], id[18]), (b'-', b'-', b'4', b'-'));
            assert!(matches!(id[19], b'8' | b'9' | b'a' | b'b'));
        }
    }
}
