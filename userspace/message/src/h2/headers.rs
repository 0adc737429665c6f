//! The frames that carry a head, either way (RFC 9113, sections 6.1, 6.2 and 6.10).
use super::frame::{END_HEADERS, END_STREAM, Frame, HEAD, Kind, PADDED, PRIORITY};

/// What is left of the payload of `DATA` or `HEADERS` without padding and priority; none if these do not fit in.
pub fn unpadded(frame: Frame, payload: &[u8]) -> Option<&[u8]> {
    let mut rest = payload;
    let mut padding = 0;
    if frame.has(PADDED) {
        let (length, behind) = rest.split_first()?;
        (padding, rest) = (usize::from(*length), behind);
    }
    if frame.kind == Kind::Headers && frame.has(PRIORITY) {
        rest = rest.get(5..)?;
    }
    rest.get(..rest.len().checked_sub(padding)?)
}

/// Writes a head whose block `write` appends, cut into frames of at most `length_max` bytes.
pub fn write_head(
    (stream, ends): (u32, bool),
    length_max: usize,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>),
) {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD]);
    write(out);
    let flags = if ends { END_STREAM } else { 0 };
    let length = out.len() - start - HEAD;
    if length > length_max {
        return cut(stream, flags, length_max, (out, start));
    }
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let frame = Frame { length, kind: Kind::Headers, flags: flags | END_HEADERS, stream };
    if let Some(place) = out.get_mut(start..start + HEAD) {
        place.copy_from_slice(&frame.bytes());
    }
}

/// Writes a block anew that is too long for one frame.
fn cut(stream: u32, flags: u8, length_max: usize, (out, start): (&mut Vec<u8>, usize)) {
    let block = out.split_off(start + HEAD);
    out.truncate(start);
    let mut pieces = block.chunks(length_max.max(1)).peekable();
    let mut kind = (Kind::Headers, flags);
    while let Some(piece) = pieces.next() {
        let end = if pieces.peek().is_none() { END_HEADERS } else { 0 };
        Frame::write(kind.0, kind.1 | end, stream, piece, out);
        kind = (Kind::Continuation, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Kind, flags: u8, payload: &[u8], expect: Option<&[u8]>) {
        assert_eq!(unpadded(Frame { length: 0, kind, flags, stream: 1 }, payload), expect, "{payload:?}");
    }

    #[test]
    fn padding_and_priority_are_taken_off_and_must_fit_in() {
        check(Kind::Data, 0, b"abc", Some(b"abc"));
        check(Kind::Data, PADDED, b"\x02abc", Some(b"a"));
        check(Kind::Data, PADDED, b"\x03abc", Some(b""));
        check(Kind::Data, PADDED, b"\x04abc", None);
        check(Kind::Data, PADDED, b"", None);
        check(Kind::Data, PRIORITY, b"abcdef", Some(b"abcdef"));
        check(Kind::Headers, PRIORITY, b"12345abc", Some(b"abc"));
        check(Kind::Headers, PRIORITY | PADDED, b"\x0212345abc", Some(b"a"));
        check(Kind::Headers, PRIORITY, b"1234", None);
        check(Kind::Headers, PRIORITY | PADDED, b"\x0112345", None);
    }

    #[test]
    fn long_blocks_are_cut_and_only_the_last_piece_ends_them() {
        let mut out = b"before".to_vec();
        write_head((1, true), 4, &mut out, |out| out.extend_from_slice(b"0123456789"));
        let mut expect = b"before".to_vec();
        Frame::write(Kind::Headers, END_STREAM, 1, b"0123", &mut expect);
        Frame::write(Kind::Continuation, 0, 1, b"4567", &mut expect);
        Frame::write(Kind::Continuation, END_HEADERS, 1, b"89", &mut expect);
        assert_eq!(out, expect);
        let (mut whole, mut expect) = (Vec::new(), Vec::new());
        write_head((3, false), 10, &mut whole, |out| out.extend_from_slice(b"0123456789"));
        Frame::write(Kind::Headers, END_HEADERS, 3, b"0123456789", &mut expect);
        assert_eq!(whole, expect);
    }
}
