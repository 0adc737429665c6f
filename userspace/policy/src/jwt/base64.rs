//! base64url as a JWS writes it: no padding, no white space, no other alphabet, no bits left over.

/// Marks a byte outside the alphabet; no digit has these bits.
const STRANGER: u8 = 0xc0;

const DIGITS: [u8; 256] = digits();

const fn digits() -> [u8; 256] {
    let mut table = [STRANGER; 256];
    let mut rest: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut digit = 0;
    while let [letter, tail @ ..] = rest {
        #[expect(
            clippy::indexing_slicing,
            reason = "a byte is always inside a table of 256; evaluated at compile time"
        )]
        {
            table[*letter as usize] = digit;
        }
        digit += 1;
        rest = tail;
    }
    table
}

fn digit(letter: u8) -> u8 {
    DIGITS.get(usize::from(letter)).copied().unwrap_or(STRANGER)
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
        let (a, b, c, d) = (digit(a), digit(b), digit(c), digit(d));
        wrong |= a | b | c | d;
        *triple = [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d];
    }
    let tail = out.get_mut(whole.len() * 3..)?;
    let unused = match (rest, tail) {
        ([], _) => 0,
        (&[a, b], [first]) => {
            let (a, b) = (digit(a), digit(b));
            wrong |= a | b;
            *first = a << 2 | b >> 4;
            b << 4
        }
        (&[a, b, c], [first, second]) => {
            let (a, b, c) = (digit(a), digit(b), digit(c));
            wrong |= a | b | c;
            (*first, *second) = (a << 2 | b >> 4, b << 4 | c >> 2);
            c << 6
        }
        _ => return None,
    };
    (wrong & STRANGER == 0 && unused == 0).then_some(())
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
