//! The simulated sockets: what lies in them and what waits on them.

use socket2::SockAddr;
use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::time::Duration;

/// One simulated descriptor.
pub(crate) enum End {
    /// A socket that is neither connected nor listening.
    Fresh {
        from: Option<SockAddr>,
    },
    Listening(Listening),
    Open(Box<Open>),
}

pub(crate) struct Listening {
    pub(crate) address: SockAddr,
    pub(crate) backlog: VecDeque<RawFd>,
    pub(crate) backlog_max: usize,
    pub(crate) accept: Option<u64>,
}

/// One end of a connection.
pub(crate) struct Open {
    pub(crate) local: SockAddr,
    pub(crate) remote: SockAddr,
    /// The other end, until it is closed.
    pub(crate) peer: RawFd,
    /// Arrived and unread.
    pub(crate) inbox: VecDeque<u8>,
    /// On the way to this end.
    pub(crate) coming: usize,
    /// When the last segment on the way to this end arrives; none overtakes it.
    pub(crate) arrives: Duration,
    /// The peer's farewell has arrived.
    pub(crate) shut: bool,
    /// This end has said farewell.
    pub(crate) said_farewell: bool,
    pub(crate) reset: bool,
    pub(crate) reset_on_close: bool,
    pub(crate) recv: Option<Incoming>,
    pub(crate) sends: VecDeque<Outgoing>,
}

/// A receive that waits.
#[derive(Clone, Copy)]
pub(crate) struct Incoming {
    pub(crate) user_data: u64,
    pub(crate) many: bool,
}

/// A send that waits for room. The memory is read when there is, as the real kernel does.
pub(crate) struct Outgoing {
    pub(crate) user_data: u64,
    pub(crate) pieces: Vec<(*const u8, usize)>,
    pub(crate) sent: usize,
    pub(crate) zero_copy: bool,
}

impl Open {
    pub(crate) fn new(local: SockAddr, remote: SockAddr, peer: RawFd) -> Open {
        Open {
            local,
            remote,
            peer,
            inbox: VecDeque::new(),
            coming: 0,
            arrives: Duration::ZERO,
            shut: false,
            said_farewell: false,
            reset: false,
            reset_on_close: false,
            recv: None,
            sends: VecDeque::new(),
        }
    }

    /// Bytes that the sender may still put on the way to this end.
    pub(crate) fn room(&self, window: usize) -> usize {
        window.saturating_sub(self.coming + self.inbox.len())
    }
}

impl Outgoing {
    pub(crate) fn left(&self) -> usize {
        self.pieces.iter().map(|(_, n)| n).sum::<usize>() - self.sent
    }

    /// Copies the next `n` bytes out of the sender's memory.
    pub(crate) fn read(&mut self, n: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(n);
        let mut skip = self.sent;
        for (data, length) in &self.pieces {
            let from = skip.min(*length);
            skip -= from;
            let take = (length - from).min(n - bytes.len());
            // SAFETY: the operation's slot owns the memory until its last completion, which has not been given yet.
            bytes.extend_from_slice(unsafe { std::slice::from_raw_parts(data.add(from), take) });
        }
        self.sent += bytes.len();
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_goes_on_where_it_stopped() {
        let (a, b) = (b"abc", b"defg");
        let pieces = vec![(a.as_ptr(), a.len()), (b.as_ptr(), b.len())];
        let mut outgoing = Outgoing { user_data: 0, pieces, sent: 0, zero_copy: false };
        assert_eq!(outgoing.left(), 7);
        assert_eq!(outgoing.read(2), b"ab");
        assert_eq!(outgoing.read(3), b"cde");
        assert_eq!(outgoing.read(9), b"fg");
        assert_eq!(outgoing.left(), 0);
    }
}
