//! The bytes of every body: known, so that each can be checked, and cheap to check.

use std::sync::LazyLock;

const ALPHABET: &[u8; 64] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-\n";
/// Repeats of the alphabet, so that a part of a body is compared at once.
static BLOCK: LazyLock<Vec<u8>> = LazyLock::new(|| ALPHABET.repeat(2048));
/// Parts up to this size are compared at once; it leaves room for any offset.
const PART: usize = 64 << 10;

/// The first `count` bytes.
pub(crate) fn bytes(count: u64) -> Vec<u8> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let mut bytes = ALPHABET.repeat(count.div_ceil(ALPHABET.len()));
    bytes.truncate(count);
    bytes
}

/// Whether `part`, which begins `offset` bytes in, is as it must be.
pub(crate) fn matches(offset: u64, part: &[u8]) -> bool {
    let mut from = usize::try_from(offset % ALPHABET.len() as u64).unwrap_or(0);
    part.chunks(PART).all(|part| {
        let same = BLOCK.get(from..from + part.len()) == Some(part);
        from = (from + part.len()) % ALPHABET.len();
        same
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_matches_at_its_place_only() {
        let whole = bytes(200_000);
        assert_eq!(whole.len(), 200_000);
        assert!(matches(0, &whole));
        assert!(matches(1_000, &whole[1_000..150_000]));
        assert!(!matches(1_001, &whole[1_000..150_000]));
        assert!(!matches(0, b"x"));
        assert!(matches(7, b""));
    }
}
