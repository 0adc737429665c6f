//! What may stand in a field.
use crate::Error;

/// RFC 9110, section 5.1: what may be the name of a field, whoever made it up.
pub(super) fn writable(name: &[u8]) -> Result<(), Error> {
    let fits = !name.is_empty() && name.iter().copied().all(is_token_byte);
    if fits { Ok(()) } else { Err(Error::Unwritable) }
}

/// RFC 9110, section 5.5: what may be its value.
pub(super) fn writable_as_value(value: &[&[u8]]) -> Result<(), Error> {
    if value.iter().all(|part| is_value(part)) { Ok(()) } else { Err(Error::Unwritable) }
}

/// Whether every byte may stand in a value. Eight bytes are looked at together, the last ones perhaps twice; only where
/// one of them is suspicious, each by itself.
pub(super) fn is_value(text: &[u8]) -> bool {
    let Some(last) = text.last_chunk() else { return text.iter().copied().all(is_value_byte) };
    let (words, _) = text.as_chunks();
    let odd = words.iter().fold(suspicious(*last), |odd, word| odd | suspicious(*word));
    odd == 0 || text.iter().copied().all(is_value_byte)
}

/// Not 0 if one of the bytes is below a space or DEL. Subtracting borrows from the uppermost bit of a byte that is smaller,
/// and of the first such byte always.
fn suspicious(word: [u8; 8]) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let smaller = |word: u64, than: u64| word.wrapping_sub(ONES * than) & !word & (ONES << 7);
    let word = u64::from_le_bytes(word);
    smaller(word, 0x20) | smaller(word ^ (ONES * 0x7f), 1)
}

/// RFC 9110, section 5.6.2: `tchar`.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    TOKEN_BYTES.get(usize::from(byte)).copied().unwrap_or(false)
}

const TOKEN_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        #[expect(clippy::indexing_slicing, reason = "below 128; evaluated at compile time")]
        {
            table[byte as usize] = byte.is_ascii_alphanumeric();
        }
        byte += 1;
    }
    let mut rest: &[u8] = b"!#$%&'*+-.^_`|~";
    while let [mark, tail @ ..] = rest {
        #[expect(clippy::indexing_slicing, reason = "a byte is always inside a table of 256")]
        {
            table[*mark as usize] = true;
        }
        rest = tail;
    }
    table
};

/// RFC 9110, section 5.5: visible bytes, space, tab and `obs-text`.
fn is_value_byte(byte: u8) -> bool {
    (byte >= b' ' && byte != 0x7f) || byte == b'\t'
}
