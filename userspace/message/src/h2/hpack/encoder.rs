//! From fields to a block, without a table of our own.
use super::{integer, static_table};
use crate::Name;

/// A literal that nobody remembers (RFC 7541, section 6.2.2).
const PLAIN: u8 = 0;
/// A literal that nobody on the way may remember either (section 6.2.3).
const SECRET: u8 = 0x10;

/// Begins the first block of a connection: the peer need not keep a table for us (section 4.2).
pub fn begin(out: &mut Vec<u8>) {
    out.push(0x20);
}

/// Writes a field of the static table with its value.
pub(in crate::h2) fn indexed(number: usize, out: &mut Vec<u8>) {
    integer::write(0x80, 7, number, out);
}

/// Writes a field with a name of the static table and the value in pieces.
pub(in crate::h2) fn named(number: usize, value: &[&[u8]], out: &mut Vec<u8>) {
    integer::write(PLAIN, 4, number, out);
    string(value, out);
}

/// Writes a field, whose name may be in any case.
pub fn field((id, name): (Name, &[u8]), value: &[u8], out: &mut Vec<u8>) {
    let number = static_table::number(id, name);
    let kind = if is_secret(number) { SECRET } else { PLAIN };
    if let Some(number) = number {
        integer::write(kind, 4, number, out);
    } else {
        out.push(kind);
        string(&[name], out);
        let start = out.len() - name.len();
        out.get_mut(start..).unwrap_or_default().make_ascii_lowercase();
    }
    string(&[value], out);
}

/// Section 7.1.3: `authorization`, `cookie` and `proxy-authorization` tell who somebody is.
fn is_secret(number: Option<usize>) -> bool {
    matches!(number, Some(23 | 32 | 49))
}

/// Writes text as it is: coding it would cost more here than the bytes that it saves.
fn string(parts: &[&[u8]], out: &mut Vec<u8>) {
    integer::write(0, 7, parts.iter().map(|part| part.len()).sum(), out);
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_numbers_or_in_lower_case_and_secrets_are_marked() {
        let mut out = Vec::new();
        field((Name::UserAgent, b"User-Agent"), b"x", &mut out);
        assert_eq!(out, b"\x0f\x2b\x01x");
        out.clear();
        field((Name::Other, b"X-Own"), b"abc", &mut out);
        assert_eq!(out, b"\x00\x05x-own\x03abc");
        out.clear();
        field((Name::Cookie, b"Cookie"), b"a=b", &mut out);
        assert_eq!(out, b"\x1f\x11\x03a=b");
        out.clear();
        named(4, &[b"/a", b"?", b"b"], &mut out);
        assert_eq!(out, b"\x04\x04/a?b");
    }
}
