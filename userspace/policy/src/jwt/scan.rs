//! Looks at eight bytes at a time.

const ONES: u64 = u64::MAX / 255;

/// Marks each byte of a word that is below a bound of 128 at most, by its highest bit. The lowest mark is right; those
/// above it may come from a borrow.
fn below(word: u64, bound: u8) -> u64 {
    word.wrapping_sub(ONES * u64::from(bound)) & !word & ONES << 7
}

/// Marks each byte of a word that is this one, in the same way.
fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ (ONES * u64::from(byte)), 1)
}

/// The place of the first byte that `marks` marks in words, and that `is` is true of in what is no whole word.
fn first(text: &[u8], marks: impl Fn(u64) -> u64, is: impl Fn(u8) -> bool) -> Option<usize> {
    let (words, rest) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let marked = marks(u64::from_le_bytes(*word));
        if marked != 0 {
            return Some(index * 8 + marked.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|byte| is(*byte)).map(|place| words.len() * 8 + place)
}

/// The place of the first such byte.
pub(super) fn position(text: &[u8], wanted: u8) -> Option<usize> {
    first(text, |word| equal(word, wanted), |byte| byte == wanted)
}

/// The place of the last such byte. Marks above the lowest of a word may be wrong, so a marked word is looked at byte by byte.
pub(super) fn last_position(text: &[u8], wanted: u8) -> Option<usize> {
    let is_wanted = |byte: &u8| *byte == wanted;
    let (rest, words) = text.as_rchunks::<8>();
    for (index, word) in words.iter().enumerate().rev() {
        if equal(u64::from_le_bytes(*word), wanted) != 0 {
            return word.iter().rposition(is_wanted).map(|place| rest.len() + index * 8 + place);
        }
    }
    rest.iter().rposition(is_wanted)
}

/// The place of the first quote, backslash or control character.
pub(super) fn end_of_plain(text: &[u8]) -> Option<usize> {
    let marks = |word| equal(word, b'"') | equal(word, b'\\') | below(word, b' ');
    first(text, marks, |byte| matches!(byte, b'"' | b'\\' | ..b' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_of_every_byte_is_found() {
        for length in 0..40 {
            for place in 0..length {
                for byte in 0..=255_u8 {
                    let mut text = vec![b'.' + 1; length];
                    text[place] = byte;
                    let expect = matches!(byte, b'"' | b'\\' | ..b' ').then_some(place);
                    assert_eq!(end_of_plain(&text), expect, "{byte} at {place} of {length}");
                    let at = (byte == b'.').then_some(place);
                    assert_eq!((position(&text, b'.'), last_position(&text, b'.')), (at, at));
                }
            }
            assert_eq!(
                (position(&vec![b'a'; length], b'.'), end_of_plain(&vec![0xff; length])),
                (None, None)
            );
        }
        for text in ["a.b.c", "a.b.c/////////", "../././././/", "/.-./.-./.-.---------"] {
            assert_eq!(last_position(text.as_bytes(), b'.'), text.rfind('.'), "{text}");
        }
        assert_eq!((position(b"a.b.c", b'.'), end_of_plain(b"abcdefgh\x1f\"")), (Some(1), Some(8)));
    }
}
