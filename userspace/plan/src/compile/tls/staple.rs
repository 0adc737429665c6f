//! An answer of OCSP, looked into as far as it takes to know that a client could use it.

/// The tags of DER that come first: a sequence, and in it an enumeration of one byte.
const SEQUENCE: u8 = 0x30;
const ENUMERATED: [u8; 2] = [0x0a, 1];
const INTEGER: u8 = 2;

/// Whether this is a successful answer (RFC 6960, section 4.2.1) that names a certificate by its serial number. Its signature
/// and its time are for clients to check.
pub(super) fn is_about(answer: &[u8], serial: &[u8]) -> Result<(), &'static str> {
    let no_answer = "this is no answer of OCSP in DER";
    let content = whole(answer).ok_or(no_answer)?;
    match content {
        [tag, length, 0, rest @ ..] if [*tag, *length] == ENUMERATED && !rest.is_empty() => {}
        [tag, length, _, ..] if [*tag, *length] == ENUMERATED => {
            return Err("the authority has answered with an error");
        }
        _ => return Err(no_answer),
    }
    let length = u8::try_from(serial.len()).unwrap_or(u8::MAX);
    let number = [&[INTEGER, length], serial].concat();
    let is_named = answer.windows(number.len()).any(|window| window == number);
    if is_named { Ok(()) } else { Err("this is an answer about another certificate") }
}

/// What a sequence contains that is all there is (X.690, section 8.1.3).
fn whole(der: &[u8]) -> Option<&[u8]> {
    let (first, rest) = der.split_first().filter(|(tag, _)| **tag == SEQUENCE)?.1.split_first()?;
    let (length, content) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (bytes, content) = rest.split_at_checked(usize::from(first & 0x7f))?;
        let sum = |sum: usize, byte: &u8| sum.checked_mul(256)?.checked_add(usize::from(*byte));
        (bytes.iter().try_fold(0, sum)?, content)
    };
    (content.len() == length).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_successful_and_about_the_certificate() {
        let good = [0x30, 8, 0x0a, 1, 0, 0xa0, 3, 2, 1, 7];
        let check = |answer: &[u8], serial: &[u8], expect: Result<(), &str>| {
            assert_eq!(
                is_about(answer, serial).map_err(|why| &why[..why.len().min(15)]),
                expect,
                "{answer:x?}"
            );
        };
        check(&good, &[7], Ok(()));
        check(&good, &[8], Err("this is an answ"));
        check(&good, &[1, 7], Err("this is an answ"));
        check(&[0x30, 3, 0x0a, 1, 6], &[7], Err("the authority h"));
        check(&[0x30, 3, 0x0a, 1, 0], &[7], Err("the authority h"));
        for broken in [
            &b""[..],
            b"-----BEGIN",
            &good[..9],
            &[0x30, 0x80],
            &[0x30, 0x84, 255, 255, 255, 255],
            &[0x30, 0x89],
        ] {
            check(broken, &[7], Err("this is no answ"));
        }
        let long = [&[0x30, 0x81, 8], &good[2..]].concat();
        check(&long, &[7], Ok(()));
    }
}
