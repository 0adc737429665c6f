//! The invented network: connections, segments on their way, farewells and resets.

use super::ends::{End, Incoming, Open, Outgoing};
use super::kernel::{Event, Kernel, MORE, NOTIFICATION};
use crate::ring::Completion;
use socket2::SockAddr;
use std::os::fd::RawFd;

const BUFFER: u32 = 1;
const BUFFER_SHIFT: u32 = 16;

impl Kernel {
    pub(super) fn open(&mut self, fd: RawFd) -> Option<&mut Open> {
        match self.ends.get_mut(&fd) {
            Some(End::Open(open)) => Some(open),
            _ => None,
        }
    }

    pub(super) fn connect(&mut self, fd: RawFd, address: SockAddr, user_data: u64) {
        let listener = self.ends.iter().find_map(|(fd, end)| match end {
            End::Listening(l) if l.address == address && l.backlog.len() < l.backlog_max => Some(*fd),
            _ => None,
        });
        let at = self.now + self.latency();
        let (Some(listener), false) = (listener, self.dice.chance(self.weather.refusals)) else {
            let result = -libc::ECONNREFUSED;
            return self.later(at, Event::Done(Completion { user_data, result, flags: 0 }));
        };
        let from = match self.ends.get(&fd) {
            Some(End::Fresh { from: Some(from) }) => from.clone(),
            _ if address.is_unix() => address.clone(),
            _ => std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into(),
        };
        let from = self.with_port(&from);
        let far = Open::new(address.clone(), from.clone(), fd);
        let far = self.insert(End::Open(Box::new(far)));
        self.ends.insert(fd, End::Open(Box::new(Open::new(from, address, far))));
        self.later(at, Event::Arrival { listener, fd: far });
        let back = at + self.latency();
        self.later(back, Event::Done(Completion { user_data, result: 0, flags: 0 }));
    }

    pub(super) fn connection_arrives(&mut self, listener: RawFd, fd: RawFd) {
        if let Some(End::Listening(listening)) = self.ends.get_mut(&listener) {
            listening.backlog.push_back(fd);
            self.serve_accept(listener);
        } else {
            self.close(fd);
        }
    }

    pub(super) fn accept(&mut self, fd: RawFd, user_data: u64) {
        if let Some(End::Listening(listening)) = self.ends.get_mut(&fd) {
            listening.accept = Some(user_data);
            self.serve_accept(fd);
        } else {
            self.done(user_data, -libc::EINVAL, 0);
        }
    }

    fn serve_accept(&mut self, fd: RawFd) {
        let exhausted = self.dice.chance(self.weather.exhausted);
        let ends = self.dice.chance(self.weather.endings);
        let Some(End::Listening(listening)) = self.ends.get_mut(&fd) else { return };
        let Some(user_data) = listening.accept else { return };
        let mut given = Vec::new();
        if exhausted {
            listening.accept = None;
            given.push((-libc::EMFILE, 0));
        } else {
            while let Some(fd) = listening.backlog.pop_front() {
                given.push((fd, MORE));
            }
            if ends && let Some((_, flags)) = given.last_mut() {
                listening.accept = None;
                *flags = 0;
            }
        }
        for (result, flags) in given {
            self.done(user_data, result, flags);
        }
    }

    pub(super) fn recv(&mut self, fd: RawFd, user_data: u64, many: bool) {
        match self.open(fd) {
            Some(open) => {
                open.recv = Some(Incoming { user_data, many });
                self.serve_recv(fd);
            }
            None => self.done(user_data, -libc::ENOTCONN, 0),
        }
    }

    /// Gives a waiting receive what there is.
    fn serve_recv(&mut self, fd: RawFd) {
        loop {
            let short = self.dice.chance(self.weather.short_recvs);
            let ends = self.dice.chance(self.weather.endings);
            let roll = self.dice.below(usize::MAX);
            let pool = std::rc::Rc::clone(&self.pool);
            let Some(open) = self.open(fd) else { return };
            let Some(recv) = open.recv else { return };
            let (result, flags) = if !open.inbox.is_empty() {
                let all = open.inbox.len().min(pool.buffer_bytes() as usize);
                let n = if short { 1 + roll % all } else { all };
                match pool.draw() {
                    Some(bid) => {
                        let bytes: Vec<u8> = open.inbox.drain(..n).collect();
                        pool.write(bid, &bytes);
                        let more = if recv.many && !ends { MORE } else { 0 };
                        let result = i32::try_from(n).unwrap_or(i32::MAX);
                        (result, BUFFER | u32::from(bid) << BUFFER_SHIFT | more)
                    }
                    None => (-libc::ENOBUFS, 0),
                }
            } else if open.reset {
                (-libc::ECONNRESET, 0)
            } else if open.shut {
                (0, 0)
            } else {
                return;
            };
            if flags & MORE == 0 {
                open.recv = None;
            }
            let peer = open.peer;
            self.done(recv.user_data, result, flags);
            self.serve_sends(peer);
        }
    }

    pub(super) fn send(
        &mut self,
        fd: RawFd,
        user_data: u64,
        pieces: Vec<(*const u8, usize)>,
        zero_copy: bool,
    ) {
        match self.open(fd) {
            Some(open) if open.said_farewell => self.done(user_data, -libc::EPIPE, 0),
            Some(open) if open.reset => self.done(user_data, -libc::ECONNRESET, 0),
            Some(open) => {
                open.sends.push_back(Outgoing { user_data, pieces, sent: 0, zero_copy });
                self.serve_sends(fd);
            }
            None => self.done(user_data, -libc::ENOTCONN, 0),
        }
    }

    /// Puts what waits to be sent on its way, as far as the peer has room.
    fn serve_sends(&mut self, fd: RawFd) {
        loop {
            let window = self.weather.window;
            let cut = self.dice.chance(self.weather.short_sends);
            let roll = self.dice.below(usize::MAX);
            let Some(peer) = self.open(fd).map(|open| open.peer) else { return };
            // A peer that is closed takes bytes until its reset comes back.
            let room = self.open(peer).map_or(window, |peer| peer.room(window));
            let Some(open) = self.open(fd) else { return };
            let Some(mut first) = open.sends.pop_front() else { return };
            let n = first.left().min(room);
            if n == 0 && first.left() > 0 {
                open.sends.push_front(first);
                return;
            }
            let n = if cut && n > 1 { 1 + roll % n } else { n };
            let bytes = first.read(n);
            if first.left() > 0 && !cut {
                open.sends.push_front(first);
            } else {
                self.finish_send(&first, None);
            }
            self.travel(peer, bytes);
        }
    }

    /// Ends a send: with what was sent, or with an error if nothing was.
    fn finish_send(&mut self, send: &Outgoing, errno: Option<i32>) {
        let sent = i32::try_from(send.sent).unwrap_or(i32::MAX);
        let result = match errno {
            Some(errno) if send.sent == 0 => -errno,
            _ => sent,
        };
        if send.zero_copy {
            self.done(send.user_data, result, MORE);
            let at = self.now + self.latency();
            let freed = Completion { user_data: send.user_data, result: 0, flags: NOTIFICATION };
            self.later(at, Event::Done(freed));
        } else {
            self.done(send.user_data, result, 0);
        }
    }

    /// Sends a segment on its way; it may be lost with the whole connection.
    fn travel(&mut self, to: RawFd, bytes: Vec<u8>) {
        let at = self.now + self.latency();
        let lost = self.dice.chance(self.weather.resets);
        match self.open(to) {
            Some(open) if !lost => {
                let at = at.max(open.arrives);
                open.arrives = at;
                open.coming += bytes.len();
                self.later(at, Event::Bytes { to, bytes });
            }
            Some(open) => {
                // What is sent behind the lost segment arrives after the reset, and is ignored.
                let (from, at) = (open.peer, at.max(open.arrives));
                open.arrives = at;
                self.later(at, Event::Reset { to });
                self.later(at, Event::Reset { to: from });
            }
            None => {}
        }
    }

    pub(super) fn bytes_arrive(&mut self, to: RawFd, bytes: &[u8]) {
        if let Some(open) = self.open(to) {
            open.coming -= bytes.len();
            if !open.reset {
                open.inbox.extend(bytes);
                self.serve_recv(to);
            }
        }
    }

    pub(super) fn farewell_arrives(&mut self, to: RawFd) {
        if let Some(open) = self.open(to) {
            open.shut = true;
            self.serve_recv(to);
        }
    }

    /// A connection is reset: what was unread is lost, what waits fails.
    pub(super) fn reset(&mut self, to: RawFd) {
        let Some(open) = self.open(to) else { return };
        open.reset = true;
        open.inbox.clear();
        let sends = std::mem::take(&mut open.sends);
        for send in sends {
            self.finish_send(&send, Some(libc::ECONNRESET));
        }
        self.serve_recv(to);
    }

    pub(super) fn shutdown(&mut self, fd: RawFd, user_data: u64) {
        let result = match self.open(fd) {
            Some(open) if !open.reset => {
                open.said_farewell = true;
                let peer = open.peer;
                self.say_farewell(peer);
                0
            }
            _ => -libc::ENOTCONN,
        };
        self.done(user_data, result, 0);
    }

    fn say_farewell(&mut self, to: RawFd) {
        let at = self.now + self.latency();
        if let Some(open) = self.open(to) {
            let at = at.max(open.arrives);
            open.arrives = at;
            self.later(at, Event::Farewell { to });
        }
    }

    pub(crate) fn reset_on_close(&mut self, fd: RawFd) {
        if let Some(open) = self.open(fd) {
            open.reset_on_close = true;
        }
    }

    /// Closes a descriptor. Unread bytes turn the farewell into a reset, as in TCP.
    pub(super) fn close(&mut self, fd: RawFd) {
        match self.ends.remove(&fd) {
            Some(End::Open(open)) => {
                assert!(open.recv.is_none() && open.sends.is_empty(), "closed under an operation in flight");
                if open.reset_on_close || !open.inbox.is_empty() || open.coming > 0 {
                    let at = self.now + self.latency();
                    self.later(at, Event::Reset { to: open.peer });
                } else if !open.said_farewell {
                    self.say_farewell(open.peer);
                }
                self.serve_sends(open.peer);
            }
            Some(End::Listening(listening)) => {
                assert!(listening.accept.is_none(), "closed under an accept in flight");
                for fd in listening.backlog {
                    self.close(fd);
                }
            }
            Some(End::Fresh { .. }) | None => {}
        }
    }

    /// Ends a waiting operation, if it still waits.
    pub(super) fn cancel(&mut self, target: u64) {
        let mut sends = Vec::new();
        let mut ended = self.bell.take_if(|bell| *bell == target).is_some();
        for end in self.ends.values_mut() {
            match end {
                End::Listening(listening) if listening.accept == Some(target) => {
                    listening.accept = None;
                    ended = true;
                }
                End::Open(open) => {
                    if open.recv.is_some_and(|r| r.user_data == target) {
                        open.recv = None;
                        ended = true;
                    }
                    while let Some(at) = open.sends.iter().position(|s| s.user_data == target) {
                        sends.extend(open.sends.remove(at));
                    }
                }
                _ => {}
            }
        }
        if ended {
            self.done(target, -libc::ECANCELED, 0);
        }
        for send in sends {
            self.finish_send(&send, Some(libc::ECANCELED));
        }
    }
}
