//! Numbers that stand for clients and texts, under a seed that nobody outside knows and no other process has.
use crate::client::source;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::Ipv6Addr;

/// A secret seed.
#[derive(Clone, Debug)]
pub(crate) struct Seed {
    addresses: [u64; 2],
    texts: RandomState,
}

impl Seed {
    pub(crate) fn new() -> Seed {
        let texts = RandomState::new();
        Seed { addresses: [texts.hash_one(0), texts.hash_one(1)], texts }
    }

    /// The number of whoever has this address; never 0. One folded multiplication: addresses are short, and who does
    /// not know the seed cannot aim for another's number.
    pub(crate) fn client(&self, address: Ipv6Addr) -> u64 {
        let [high, low] = halves(source(address));
        let [a, b] = self.addresses;
        let [high, low] = halves(u128::from(low ^ a) * u128::from(high ^ b));
        (high ^ low).max(1)
    }

    /// Folds texts of any length into one number.
    pub(crate) fn hasher(&self) -> impl Hasher + use<> {
        self.texts.build_hasher()
    }
}

/// The two halves of a number, the more significant one first.
fn halves(number: u128) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, rest @ ..] = number.to_be_bytes();
    [u64::from_be_bytes([a, b, c, d, e, f, g, h]), u64::from_be_bytes(rest)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn clients_have_numbers_of_their_own() {
        let seed = Seed::new();
        let v4 = |n: u32| std::net::Ipv4Addr::from(0x0a00_0000 + n).to_ipv6_mapped();
        let v6 = |n: u32| Ipv6Addr::from(0x2001_0db8_u128 << 96 | u128::from(n) << 64 | 1);
        let numbers: HashSet<u64> =
            (0..100_000).flat_map(|n| [seed.client(v4(n)), seed.client(v6(n))]).collect();
        assert_eq!(numbers.len(), 200_000);
        // As even as chance: a table that takes their upper bits must not fill up on one side.
        let mut eighths = [0_i32; 8];
        numbers.iter().for_each(|number| eighths[usize::try_from(number >> 61).unwrap()] += 1);
        assert!(eighths.iter().all(|count| (count - 25_000).abs() < 1_500), "{eighths:?}");
    }

    #[test]
    fn of_ipv6_the_network_counts() {
        let (seed, other) = (Seed::new(), Seed::new());
        let client = |text: &str| seed.client(text.parse().unwrap());
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff:ffff:ffff:ffff"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_ne!(client("::ffff:192.0.2.1"), client("::ffff:192.0.2.2"));
        assert_ne!(client("2001:db8::1"), other.client("2001:db8::1".parse().unwrap()));
    }
}
