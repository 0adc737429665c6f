//! The nine bytes before each frame, and the frames that are nothing but a number (RFC 9113, sections 4.1 and 6).
use super::Code;

/// Bytes before the payload of a frame.
pub const HEAD: usize = 9;

/// `DATA` and `HEADERS`: nothing follows on the stream.
pub const END_STREAM: u8 = 1;
/// `SETTINGS` and `PING`: the answer to one.
pub const ACK: u8 = 1;
/// `HEADERS` and `CONTINUATION`: the block is complete.
pub const END_HEADERS: u8 = 4;
/// `DATA` and `HEADERS`: bytes without a meaning follow the payload.
pub(super) const PADDED: u8 = 8;
/// `HEADERS`: five bytes about the order of streams come first.
pub(super) const PRIORITY: u8 = 0x20;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the frame of that name")]
pub enum Kind {
    Data,
    Headers,
    Priority,
    ResetStream,
    Settings,
    PushPromise,
    Ping,
    GoAway,
    WindowUpdate,
    Continuation,
    /// RFC 9113, section 5.5: to be ignored.
    Unknown,
}

const KINDS: [Kind; 10] = [
    Kind::Data,
    Kind::Headers,
    Kind::Priority,
    Kind::ResetStream,
    Kind::Settings,
    Kind::PushPromise,
    Kind::Ping,
    Kind::GoAway,
    Kind::WindowUpdate,
    Kind::Continuation,
];

/// What stands before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Bytes of the payload.
    pub length: u32,
    /// What it is.
    pub kind: Kind,
    /// What the flags say depends on the kind.
    pub flags: u8,
    /// The stream; 0 is the connection.
    pub stream: u32,
}

impl Frame {
    /// Reads the bytes before a payload. The reserved bit is ignored.
    pub fn read(bytes: [u8; HEAD]) -> Frame {
        let [a, b, c, kind, flags, d, e, f, g] = bytes;
        Frame {
            length: u32::from_be_bytes([0, a, b, c]),
            kind: KINDS.get(usize::from(kind)).copied().unwrap_or(Kind::Unknown),
            flags,
            stream: u32::from_be_bytes([d, e, f, g]) & 0x7fff_ffff,
        }
    }

    /// Whether a flag is set.
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The bytes before a payload.
    pub fn bytes(self) -> [u8; HEAD] {
        let [_, a, b, c] = self.length.to_be_bytes();
        let [d, e, f, g] = self.stream.to_be_bytes();
        [a, b, c, self.kind as u8, self.flags, d, e, f, g]
    }

    /// Writes a frame, whose payload is below 2^24 bytes.
    pub fn write(kind: Kind, flags: u8, stream: u32, payload: &[u8], out: &mut Vec<u8>) {
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&Frame { length, kind, flags, stream }.bytes());
        out.extend_from_slice(payload);
    }

    /// Ends a stream at once.
    pub fn write_reset(stream: u32, code: Code, out: &mut Vec<u8>) {
        Frame::write(Kind::ResetStream, 0, stream, &code.0.to_be_bytes(), out);
    }

    /// Lets the peer send so much more.
    pub fn write_window(stream: u32, increment: u32, out: &mut Vec<u8>) {
        Frame::write(Kind::WindowUpdate, 0, stream, &increment.to_be_bytes(), out);
    }

    /// Says that no stream above `last` will be served.
    pub fn write_go_away(last: u32, code: Code, out: &mut Vec<u8>) {
        let [a, b, c, d] = last.to_be_bytes();
        let [e, f, g, h] = code.0.to_be_bytes();
        Frame::write(Kind::GoAway, 0, 0, &[a, b, c, d, e, f, g, h], out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_as_they_are_written() {
        let head = Frame { length: 0x01_02_03, kind: Kind::GoAway, flags: 5, stream: 0x7fff_fffe };
        assert_eq!(Frame::read(head.bytes()), head);
        assert_eq!(head.bytes(), [1, 2, 3, 7, 5, 0x7f, 0xff, 0xff, 0xfe]);
        assert_eq!(Frame::read([0, 0, 0, 10, 0, 0x80, 0, 0, 1]).kind, Kind::Unknown);
        assert_eq!(Frame::read([0, 0, 0, 0, 0, 0x80, 0, 0, 1]).stream, 1, "the reserved bit says nothing");
    }

    #[test]
    fn small_frames_are_written_whole() {
        let mut out = Vec::new();
        Frame::write_reset(3, Code::CANCEL, &mut out);
        assert_eq!(out, [0, 0, 4, 3, 0, 0, 0, 0, 3, 0, 0, 0, 8]);
        out.clear();
        Frame::write_go_away(7, Code::NO_ERROR, &mut out);
        assert_eq!(out, [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0]);
        out.clear();
        Frame::write_window(0, 65_536, &mut out);
        assert_eq!(out, [0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
}
