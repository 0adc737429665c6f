//! What of a request's body was sent already, for another attempt. Copied, so that a trickle of small pieces does not hold
//! a buffer of the pool for each.
use crate::{
    fault::{Broken, Fault},
    half::Asking,
    watch::Watch,
};
use std::time::Duration;
use weir_reactor::Buf;

/// A body up to a limit.
#[derive(Default)]
pub(super) struct Replay {
    bytes: Vec<u8>,
    bytes_max: usize,
    /// Some of it was not kept.
    lost: bool,
    /// All of it has come, its trailers too.
    ended: bool,
}

impl Replay {
    /// Keeps a body of at most so many bytes.
    pub(super) fn new(bytes_max: usize) -> Replay {
        Replay { bytes_max, ..Replay::default() }
    }

    /// Whether everything that was taken from the client is here.
    pub(super) fn is_whole(&self) -> bool {
        !self.lost
    }

    /// Whether the client has nothing more to send.
    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Keeps a piece, or gives the whole up if it does not fit.
    pub(super) fn keep(&mut self, piece: &[u8]) {
        self.lost |= self.bytes.len() + piece.len() > self.bytes_max;
        if self.lost {
            self.bytes = Vec::new();
        } else {
            self.bytes.extend_from_slice(piece);
        }
    }

    /// Sends what is kept. False if the upstream does not take it.
    pub(super) async fn send<O: Asking>(
        &self,
        out: &mut O,
        (watch, idle): (&Watch, Duration),
    ) -> Result<bool, Fault> {
        let mut rest = self.bytes.as_slice();
        while !rest.is_empty() {
            let mut buf = Buf::take().ok_or(Fault::Overloaded)?;
            let taken = buf.append(rest);
            rest = rest.get(taken..).unwrap_or_default();
            let sent: Result<(), Broken> =
                watch.limit(idle, out.chunk(buf, true)).await.map_err(|_| Fault::UpstreamSlow)?;
            if sent.is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b46_a_body_is_kept_whole_or_not_at_all() {
        let mut replay = Replay::new(5);
        replay.keep(b"abc");
        replay.keep(b"de");
        assert!(replay.is_whole() && replay.bytes == b"abcde");
        replay.keep(b"f");
        assert!(!replay.is_whole() && replay.bytes.is_empty());
        replay.keep(b"");
        assert!(!replay.is_whole(), "what is lost stays lost");
        let mut none = Replay::default();
        none.keep(b"a");
        assert!(!none.is_whole());
    }
}
