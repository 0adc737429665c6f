//! As much DER as public keys need: reading the frame of a key, writing the two numbers of an RSA key.
use super::Algorithm;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OBJECT: u8 = 0x06;

/// The algorithms that a `SubjectPublicKeyInfo` (RFC 5280, section 4.1) can be used with, by its identifiers.
pub(super) fn algorithms(info: &[u8]) -> Option<&'static [Algorithm]> {
    let (info, rest) = element(info, SEQUENCE)?;
    let (identifier, _) = element(info, SEQUENCE)?;
    let (object, parameters) = element(identifier, OBJECT)?;
    rest.is_empty().then_some(())?;
    match object {
        // rsaEncryption
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01] => Some(&Algorithm::RSA),
        // id-Ed25519
        [0x2b, 0x65, 0x70] => Some(&[Algorithm::EdDsa]),
        // id-ecPublicKey
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01] => curve(element(parameters, OBJECT)?.0),
        _ => None,
    }
}

fn curve(object: &[u8]) -> Option<&'static [Algorithm]> {
    match object {
        // prime256v1, secp384r1, secp521r1
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07] => Some(&[Algorithm::Es256]),
        [0x2b, 0x81, 0x04, 0x00, 0x22] => Some(&[Algorithm::Es384]),
        [0x2b, 0x81, 0x04, 0x00, 0x23] => Some(&[Algorithm::Es512]),
        _ => None,
    }
}

/// The content of the element with that tag at the start of `text`, and what follows it.
fn element(text: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let rest = text.strip_prefix(&[tag])?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 | 0x82 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 3))?;
            (digits.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// RFC 8017, appendix A.1.1: `RSAPublicKey` of these big-endian numbers.
pub(super) fn rsa_key(modulus: &[u8], exponent: &[u8]) -> Option<Vec<u8>> {
    let mut numbers = Vec::with_capacity(modulus.len() + exponent.len() + 16);
    for number in [modulus, exponent] {
        let padded = [&[0][..], number].concat();
        // RFC 7518, section 2: the encoding must not have a leading zero; DER needs one before a high bit.
        let shown = if number.first()? & 0x80 == 0 { number } else { &padded };
        wrap(INTEGER, shown, &mut numbers)?;
    }
    let mut key = Vec::with_capacity(numbers.len() + 4);
    wrap(SEQUENCE, &numbers, &mut key)?;
    Some(key)
}

fn wrap(tag: u8, content: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let [high, low] = u16::try_from(content.len()).ok()?.to_be_bytes();
    match (high, low) {
        (0, 0..=0x7f) => out.extend([tag, low]),
        (0, _) => out.extend([tag, 0x81, low]),
        _ => out.extend([tag, 0x82, high, low]),
    }
    out.extend_from_slice(content);
    Some(())
}

/// The bytes between the marks of a PEM text (RFC 7468) with one of the labels, and that label.
pub(super) fn unwrap_pem<'l>(text: &str, labels: &[&'l str]) -> Option<(&'l str, Vec<u8>)> {
    labels.iter().find_map(|label| {
        let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
        let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
        let mut plain: Vec<u8> = body.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let length = plain.iter().rposition(|&byte| byte != b'=').map_or(0, |last| last + 1);
        plain.truncate(length);
        for byte in &mut plain {
            // The other alphabet of RFC 4648, whose two letters must not be accepted as such.
            *byte = match *byte {
                b'+' => b'-',
                b'/' => b'_',
                b'-' | b'_' => 0,
                same => same,
            };
        }
        Some((*label, super::base64::decoded(&plain)?))
    })
}
