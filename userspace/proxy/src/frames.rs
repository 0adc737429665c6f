//! Where the frames of a WebSocket end (RFC 6455, section 5.2): the only thing that a tunnel has to know to end one in good
//! order.

/// The longest head of a frame: two bytes, a length of eight, a mask of four.
const HEAD_MAX: usize = 14;

/// How far the frames of one direction have come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Frames {
    head: [u8; HEAD_MAX],
    /// Bytes of the head that are there.
    have: usize,
    /// Bytes of the payload that are still to come.
    left: u64,
    closed: bool,
}

impl Frames {
    /// What tells a peer that the server goes away (section 7.4.1: status 1001).
    pub(crate) const GOING_AWAY: [u8; 4] = [0x88, 2, 0x03, 0xe9];

    /// Takes note of bytes that pass.
    pub(crate) fn pass(&mut self, mut bytes: &[u8]) {
        while let [first, rest @ ..] = bytes {
            if self.left > 0 {
                let skipped = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.left -= skipped as u64;
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            if let Some(place) = self.head.get_mut(self.have) {
                *place = *first;
                self.have += 1;
            }
            bytes = rest;
            if let Some(payload) = self.payload() {
                self.closed |= self.head.first().is_some_and(|byte| byte & 0x0f == 8);
                (self.left, self.have) = (payload, 0);
            }
        }
    }

    /// Whether a frame of our own may stand here: between two others, and not behind the last.
    pub(crate) fn may_end(&self) -> bool {
        self.have == 0 && self.left == 0 && !self.closed
    }

    /// The length of the payload, once the head is whole.
    fn payload(&self) -> Option<u64> {
        let head = self.head.get(..self.have)?;
        let [_, second, rest @ ..] = head else { return None };
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        let (length, size) = match second & 0x7f {
            126 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), 2),
            127 => (u64::from_be_bytes(*rest.first_chunk()?), 8),
            short => (u64::from(short), 0),
        };
        (rest.len() == size + mask).then_some(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the pieces, an end is seen after each frame and nowhere else.
    #[test]
    fn frames_end_where_their_lengths_say() {
        let mut wire = Vec::new();
        let mut ends = vec![0];
        for (head, payload) in [
            (vec![0x81, 5], 5),
            (vec![0x89, 0], 0),
            (vec![0x82, 126, 1, 0], 256),
            (vec![0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0], 65_536),
            (vec![0x81, 0x83, 1, 2, 3, 4], 3),
            (vec![0x01, 0], 0),
        ] {
            wire.extend_from_slice(&head);
            wire.resize(wire.len() + payload, 0x88);
            ends.push(wire.len());
        }
        for step in [1, 2, 3, 7, 1000, wire.len()] {
            let (mut frames, mut at) = (Frames::default(), 0);
            for piece in wire.chunks(step) {
                assert_eq!(frames.may_end(), ends.contains(&at), "after {at} bytes in steps of {step}");
                frames.pass(piece);
                at += piece.len();
            }
            assert!(frames.may_end());
        }
    }

    #[test]
    fn nothing_follows_a_close() {
        let mut frames = Frames::default();
        frames.pass(&Frames::GOING_AWAY);
        assert!(!frames.may_end());
    }
}
