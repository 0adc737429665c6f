//! The key of a WebSocket's handshake and the proof that it was read (RFC 6455, section 4).
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A key from random numbers: sixteen bytes in base64.
pub(crate) fn key(random: [u64; 2]) -> Vec<u8> {
    let [high, low] = random.map(u64::to_be_bytes);
    base64(&[high, low].concat())
}

/// What a server answers to a key.
pub(crate) fn accept(key: &[u8]) -> Vec<u8> {
    base64(digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, GUID].concat()).as_ref())
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    let digit = |group: u32, at: u32| {
        let index = usize::try_from(group >> (18 - 6 * at) & 63).unwrap_or(0);
        BASE64.get(index).copied().unwrap_or(b'A')
    };
    let mut text = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        let digits = [0, 1, 2, 3].map(|at| digit(group, at));
        text.extend(digits.iter().take(three.len() + 1));
        text.resize(text.len() + 3 - three.len(), b'=');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_6455() {
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(key([0x7468_6520_7361_6d70, 0x6c65_206e_6f6e_6365]), b"dGhlIHNhbXBsZSBub25jZQ==");
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(bytes.as_bytes()), text.as_bytes());
        }
    }
}
