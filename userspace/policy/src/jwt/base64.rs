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

/// Replaces the content of `out` by what `text` encodes. RFC 7515, section 2: "with all trailing '='
/// characters omitted and without the inclusion of any line breaks, whitespace, or other additional
/// characters"; and since two texts must never mean one token, unused bits have to be zero (RFC 4648, 3.5).
pub fn decode(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (whole, rest) = text.as_chunks::<4>();
    out.clear();
    out.resize(whole.len() * 3 + rest.len() * 3 / 4, 0);
    let mut wrong = 0;
    let (triples, _) = out.as_chunks_mut::<3>();
    for (&[a, b, c, d], triple) in whole.iter().zip(triples) {
        let bits = digit(&FIRST, a) | digit(&SECOND, b) | digit(&THIRD, c) | digit(&FOURTH, d);
        wrong |= bits;
        let [_, x, y, z] = bits.to_be_bytes();
        *triple = [x, y, z];
    }
    let tail = out.get_mut(whole.len() * 3..)?;
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
