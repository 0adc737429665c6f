//! Numbers that begin within a byte (RFC 7541, section 5.1).

/// Bytes after the first. Four hold more than any number that has a meaning here.
const MORE_MAX: u32 = 4;

/// Takes a number off the front, whose first byte has so many bits of it; none if it does not end or is too large.
pub(super) fn read(bytes: &mut &[u8], bits: u32) -> Option<usize> {
    let (&first, mut rest) = bytes.split_first()?;
    let mask = (1_u32 << bits) - 1;
    let mut value = u32::from(first) & mask;
    if value == mask {
        for shift in 0..=MORE_MAX {
            let (&byte, behind) = rest.split_first()?;
            rest = behind;
            if shift == MORE_MAX {
                return None;
            }
            value = value.checked_add(u32::from(byte & 0x7f) << (7 * shift))?;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    *bytes = rest;
    usize::try_from(value).ok()
}

/// Writes a number behind the bits that say what it is.
pub(super) fn write(kind: u8, bits: u32, value: usize, out: &mut Vec<u8>) {
    let mask = (1_usize << bits) - 1;
    let low = |value: usize| u8::try_from(value & 0xff).unwrap_or(0);
    if value < mask {
        out.push(kind | low(value));
        return;
    }
    out.push(kind | low(mask));
    let mut rest = value - mask;
    while rest >= 0x80 {
        out.push(0x80 | low(rest & 0x7f));
        rest >>= 7;
    }
    out.push(low(rest));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], bits: u32, expect: Option<usize>) {
        let mut rest = bytes;
        assert_eq!(read(&mut rest, bits), expect, "{bytes:?}");
        if let Some(value) = expect {
            let mut out = Vec::new();
            write(0, bits, value, &mut out);
            assert_eq!(out, bytes);
        }
    }

    #[test]
    fn the_examples_of_appendix_c_1() {
        check(&[0b01010], 5, Some(10));
        check(&[0b11111, 0b1001_1010, 0b0000_1010], 5, Some(1337));
        check(&[0b0010_1010], 8, Some(42));
    }

    #[test]
    fn numbers_end_and_have_a_bound() {
        check(&[], 5, None);
        check(&[31], 5, None);
        check(&[31, 0], 5, Some(31));
        check(&[31, 0x80], 5, None);
        check(&[31, 0xff, 0xff, 0xff, 0x7f], 5, Some(31 + 0x0fff_ffff));
        check(&[31, 0xff, 0xff, 0xff, 0xff, 0x0f], 5, None);
        check(&[31, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0], 5, None);
    }
}
