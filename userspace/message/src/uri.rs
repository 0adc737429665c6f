//! The path of a request: checked and normalised once, so that router, policies and upstream see the same.
//!
//! RFC 3986, section 6.2.2: escapes of unreserved bytes are decoded, the rest are written in upper case, dot
//! segments are resolved. What could mean something else to the next reader is refused instead.
use crate::Error;

mod byte;

pub(crate) use byte::hex_digit;
use byte::is_unreserved;
pub(crate) use byte::{PathClass, is_query_byte, path_class};

/// What is done about the parts of a path on which servers disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// `//` becomes `/`.
    pub merge_slashes: bool,
    /// `%2f` and `%5c` are kept as they are, and refused where decoding them would make a dot segment.
    pub keep_escaped_slashes: bool,
    /// Dot segments are refused instead of resolved.
    pub refuse_dots: bool,
    /// Upstreams get the path as it came; everybody here sees the normal form.
    pub as_received: bool,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules { merge_slashes: true, keep_escaped_slashes: false, refuse_dots: false, as_received: false }
    }
}

/// Checks a path that begins with `/`. Returns false if it is normal already; else its normal form was
/// appended to `out`.
pub fn normalise(path: &[u8], rules: Rules, out: &mut Vec<u8>) -> Result<bool, Error> {
    if is_normal(path)? {
        return Ok(false);
    }
    let start = out.len();
    let mut segments = path.split(|&byte| byte == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        push_segment(segment, last, start, rules, out)?;
    }
    Ok(true)
}

/// Whether nothing in the path can need a change: no escape, no empty segment, none that begins with a dot.
fn is_normal(path: &[u8]) -> Result<bool, Error> {
    let mut normal = path.first() == Some(&b'/');
    let mut after_slash = false;
    for &byte in path {
        match path_class(byte) {
            PathClass::Plain => after_slash = false,
            PathClass::Slash => {
                normal &= !after_slash;
                after_slash = true;
            }
            PathClass::Dot => {
                normal &= !after_slash;
                after_slash = false;
            }
            PathClass::Percent => normal = false,
            PathClass::Refused => return Err(Error::Target),
        }
    }
    Ok(normal)
}

/// Appends `/segment`, or resolves it against what stands after `start`.
fn push_segment(
    segment: &[u8],
    last: bool,
    start: usize,
    rules: Rules,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let before = out.len();
    out.push(b'/');
    unescape(segment, rules, out)?;
    match out.get(before + 1..).unwrap_or_default() {
        b"" if rules.merge_slashes && !last => out.truncate(before),
        b"." | b".." if rules.refuse_dots => return Err(Error::DotSegment),
        b"." => out.truncate(before),
        b".." => {
            out.truncate(before);
            let parent = out.iter().rposition(|&byte| byte == b'/').filter(|&at| at >= start);
            out.truncate(parent.ok_or(Error::DotSegment)?);
        }
        decoded if hides_dots(decoded) => return Err(Error::DotSegment),
        _ => return Ok(()),
    }
    // A dot segment at the end names a directory: its slash stays.
    if last {
        out.push(b'/');
    }
    Ok(())
}

/// `..;x`, and dots beside an escaped slash: some servers cut the parameter or decode again, and leave the path.
fn hides_dots(segment: &[u8]) -> bool {
    if !segment.contains(&b'.') {
        return false;
    }
    let mut rest = segment;
    while let Some((piece, tail)) = next_piece(rest) {
        if matches!(piece, b"." | b"..") {
            return true;
        }
        rest = tail;
    }
    false
}

/// Cuts at the next `;`, `%3B`, `%2F` or `%5C`. Escapes are in upper case here.
fn next_piece(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    if rest.is_empty() {
        return None;
    }
    for at in 0..rest.len() {
        let tail = rest.get(at..).unwrap_or_default();
        let width = match tail {
            [b';', ..] => 1,
            [b'%', b'3', b'B', ..] | [b'%', b'2', b'F', ..] | [b'%', b'5', b'C', ..] => 3,
            _ => continue,
        };
        return Some((rest.get(..at).unwrap_or_default(), tail.get(width..).unwrap_or_default()));
    }
    Some((rest, &[]))
}

/// Decodes escapes of unreserved bytes and writes the others in upper case.
fn unescape(segment: &[u8], rules: Rules, out: &mut Vec<u8>) -> Result<(), Error> {
    let mut rest = segment;
    let mut lead = 0;
    while let [byte, tail @ ..] = rest {
        if *byte != b'%' {
            out.push(*byte);
            (rest, lead) = (tail, 0);
            continue;
        }
        let [high, low, tail @ ..] = tail else { return Err(Error::Escape) };
        let value =
            hex_digit(*high).zip(hex_digit(*low)).map(|(high, low)| high << 4 | low).ok_or(Error::Escape)?;
        match value {
            0 => return Err(Error::EscapedSeparator),
            b'/' | b'\\' if !rules.keep_escaped_slashes => return Err(Error::EscapedSeparator),
            _ if is_overlong(lead, value) => return Err(Error::Escape),
            _ if is_unreserved(value) => out.push(value),
            _ => out.extend_from_slice(&[b'%', high.to_ascii_uppercase(), low.to_ascii_uppercase()]),
        }
        (rest, lead) = (tail, value);
    }
    Ok(())
}

/// RFC 3629, section 3: two escaped bytes that spell a shorter character the long way, as `%c0%ae` does a dot.
fn is_overlong(lead: u8, value: u8) -> bool {
    match lead {
        0xc0 | 0xc1 => (0x80..=0xbf).contains(&value),
        0xe0 => (0x80..=0x9f).contains(&value),
        0xf0 => (0x80..=0x8f).contains(&value),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
