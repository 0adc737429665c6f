//! base64url as a JWS writes it: no padding, no white space, no other alphabet, no bits left over.

/// Marks a letter outside the alphabet; no three bytes have this bit.
const STRANGER: u32 = 1 << 31;

/// What a letter says at each of the four places of a group.
const FIRST: [u32; 256] = digits(18);
const SECOND: [u32; 256] = digits(12);
const THIRD: [u32; 256] = digits(6);
const FOURTH: [u32; 256] = digits(0);

const fn digits(shift: u32) -> [u32; 256] {
    let mut table = [STRANGER; 256];
    let mut rest: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut digit = 0;
    while let [letter, tail @ ..] = rest {
        #[expect(
            clippy::indexing_slicing,
            reason = "a byte is always inside a table of 256; evaluated at compile time"
        )]
        {
            table[*letter as usize] = digit << shift;
        }
        digit += 1;
        rest = tail;
    }
    table
}

fn digit(table: &[u32; 256], letter: u8) -> u32 {
    table.get(usize::from(letter)).copied().unwrap_or(STRANGER)
}

/// Four letters: 24 bits.
fn group(a: u8, b: u8, c: u8, d: u8) -> u32 {
    digit(&FIRST, a) | digit(&SECOND, b) | digit(&THIRD, c) | digit(&FOURTH, d)
}

/// Replaces the content of `out` by what `text` encodes. RFC 7515, section 2: "with all trailing '='
/// characters omitted and without the inclusion of any line breaks, whitespace, or other additional
/// characters"; and since two texts must never mean one token, unused bits have to be zero (RFC 4648, 3.5).
pub fn decode(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.clear();
    out.resize(text.len() / 4 * 3 + text.len() % 4 * 3 / 4, 0);
    let mut wrong = 0;
    let (pairs, rest) = text.as_chunks::<8>();
    let (sixes, out) = out.as_chunks_mut::<6>();
    for (&[a, b, c, d, e, f, g, h], six) in pairs.iter().zip(sixes) {
        let (high, low) = (group(a, b, c, d), group(e, f, g, h));
        wrong |= high | low;
        six.copy_from_slice(&(u64::from(high) << 24 | u64::from(low)).to_be_bytes()[2..]);
    }
    let (whole, rest) = rest.as_chunks::<4>();
    let (triples, tail) = out.as_chunks_mut::<3>();
    for (&[a, b, c, d], triple) in whole.iter().zip(triples) {
        let bits = group(a, b, c, d);
        wrong |= bits;
        let [_, x, y, z] = bits.to_be_bytes();
        *triple = [x, y, z];
    }
    let (bits, unused) = match rest {
        [] => (0, 0),
        &[a, b] => (digit(&FIRST, a) | digit(&SECOND, b), 0x00_ffff),
        &[a, b, c] => (digit(&FIRST, a) | digit(&SECOND, b) | digit(&THIRD, c), 0x00_00ff),
        _ => return None,
    };
    for (byte, value) in tail.iter_mut().zip(bits.to_be_bytes().into_iter().skip(1)) {
        *byte = value;
    }
    ((wrong | bits) & STRANGER == 0 && bits & unused == 0).then_some(())
}

/// The bytes that `text` encodes, in memory of their own.
pub fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    decode(text, &mut out).map(|()| out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_4648_vectors_without_padding() {
        for (text, plain) in [
            ("", ""),
            ("Zg", "f"),
            ("Zm8", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg", "foob"),
            ("Zm9vYmE", "fooba"),
            ("Zm9vYmFy", "foobar"),
        ] {
            assert_eq!(decoded(text.as_bytes()).as_deref(), Some(plain.as_bytes()), "{text}");
        }
        assert_eq!(decoded(b"A-z_4ME"), Some(vec![3, 236, 255, 224, 193]), "RFC 7515, appendix C");
    }

    #[test]
    fn texts_of_every_length_are_decoded() {
        let plain: Vec<u8> = (0..64_u8).map(|byte| byte.wrapping_mul(37)).collect();
        let letters: Vec<u8> =
            (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain([b'-', b'_']).collect();
        for length in 0..plain.len() {
            let bits: Vec<u8> =
                plain[..length].iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)).collect();
            let letter = |six: &[u8]| {
                letters[six.iter().fold(0, |sum, bit| sum * 2 + usize::from(*bit)) << (6 - six.len())]
            };
            let mut text: Vec<u8> = bits.chunks(6).map(letter).collect();
            assert_eq!(decoded(&text).as_deref(), Some(&plain[..length]), "{length}");
            for at in 0..text.len() {
                let right = std::mem::replace(&mut text[at], b'+');
                assert_eq!(decoded(&text), None, "a stranger at {at} of {length}");
                text[at] = right;
            }
        }
    }

    #[test]
    fn only_one_text_means_the_same_bytes() {
        for text in [
            "Zg==",
            "Zg=",
            "Zm8=",
            "Zh",
            "Zm9",
            "Zm9vYh",
            "Z",
            "Zm9vY",
            " Zg",
            "Zg ",
            "Zm 8",
            "Zm8\n",
            "Zm+/",
            "Zm9/",
            "Zm9+",
            "Zm\u{e9}8",
            "Zm9v=",
            "Zm9v\0",
        ] {
            assert_eq!(decoded(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn every_single_letter_change_of_a_tail_is_seen() {
        let texts: Vec<Vec<u8>> = (0..=255).map(|letter| vec![b'Z', letter]).collect();
        assert_eq!(
            texts.iter().filter(|text| decoded(text).is_some()).count(),
            4,
            "four last letters have zero bits left"
        );
    }
}
