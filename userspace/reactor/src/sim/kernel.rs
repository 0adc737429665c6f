//! The invented kernel: takes requests, moves its clock from event to event, and hands out completions in any order.

use super::Weather;
use super::dice::Dice;
use super::ends::{End, Listening};
use crate::pool::Pool;
use crate::request::Request;
use crate::ring::Completion;
use socket2::SockAddr;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::time::Duration;

/// Simulated descriptors begin far above any real one, so that a system call on one of them fails.
const FIRST_FD: RawFd = 1 << 24;
/// The port given to the first bind that asks for any.
const FIRST_PORT: u16 = 40_000;
pub(super) const MORE: u32 = 1 << 1;
pub(super) const NOTIFICATION: u32 = 1 << 3;

/// What happens at a moment to come.
pub(super) enum Event {
    Bytes { to: RawFd, bytes: Vec<u8> },
    Farewell { to: RawFd },
    Reset { to: RawFd },
    Arrival { listener: RawFd, fd: RawFd },
    Done(Completion),
}

/// The simulated kernel and network.
pub(crate) struct Kernel {
    pub(super) pool: Rc<Pool>,
    pub(super) dice: Dice,
    pub(super) weather: Weather,
    pub(super) now: Duration,
    pub(super) ends: BTreeMap<RawFd, End>,
    seed: u64,
    next_fd: RawFd,
    next_port: u16,
    events: BTreeMap<(Duration, u64), Event>,
    scheduled: u64,
    ready: Vec<Completion>,
    trace: u64,
    pub(super) bell: Option<u64>,
}

impl Kernel {
    pub(crate) fn new(seed: u64, weather: Weather, pool: Rc<Pool>) -> Kernel {
        Kernel {
            pool,
            dice: Dice::new(seed),
            weather,
            now: Duration::ZERO,
            ends: BTreeMap::new(),
            seed,
            next_fd: FIRST_FD,
            next_port: FIRST_PORT,
            events: BTreeMap::new(),
            scheduled: 0,
            ready: Vec::new(),
            trace: seed,
            bell: None,
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.now
    }

    /// A number that two runs share only if they were the same.
    pub(crate) fn trace(&self) -> u64 {
        self.trace
    }

    pub(crate) fn push(&mut self, request: Request, user_data: u64) {
        match request {
            Request::Accept { fd } => self.accept(fd, user_data),
            Request::Connect { fd, address, bytes } => {
                let address = read_address(address, bytes);
                self.connect(fd, address, user_data);
            }
            Request::RecvMany { fd } => self.recv(fd, user_data, true),
            Request::RecvOne { fd } => self.recv(fd, user_data, false),
            Request::Send { fd, data, bytes } => {
                self.send(fd, user_data, vec![(data, bytes as usize)], false);
            }
            Request::SendZero { fd, data, bytes } => {
                self.send(fd, user_data, vec![(data, bytes as usize)], true);
            }
            Request::SendVectored { fd, message } => self.send(fd, user_data, read_message(message), false),
            Request::Shutdown { fd, .. } => self.shutdown(fd, user_data),
            Request::Close { fd } => self.close(fd),
            Request::Cancel { target } => self.cancel(target),
            Request::Poll { .. } => self.done(user_data, -libc::EOPNOTSUPP, 0),
            // The bell, which rings for jobs that this thread gives itself: others have no place in a simulation.
            Request::Read { .. } => self.bell = Some(user_data),
        }
    }

    /// Completes the read on the bell, if there is one.
    pub(crate) fn ring_bell(&mut self) {
        if let Some(user_data) = self.bell.take() {
            self.done(user_data, 8, 0);
        }
    }

    /// Moves on until something is complete or the time is up.
    pub(crate) fn turn(&mut self, want: u32, timeout: Option<Duration>, into: &mut Vec<Completion>) {
        let until = timeout.map(|t| self.now + t);
        self.now += Duration::from_nanos(500 + self.dice.roll() % 2000);
        loop {
            self.happen();
            if want == 0 || !self.ready.is_empty() {
                return self.hand_out(into);
            }
            let next = self.events.keys().next().map(|(at, _)| *at);
            match (next, until) {
                (Some(next), Some(until)) => self.now = self.now.max(next.min(until)),
                (Some(at), None) | (None, Some(at)) => self.now = self.now.max(at),
                (None, None) => self.stuck(),
            }
            if next.is_none_or(|next| next > self.now) {
                return;
            }
        }
    }

    #[cold]
    #[expect(clippy::panic, reason = "the test that runs this simulation has to fail")]
    fn stuck(&self) {
        panic!("seed {}: every task waits for what can never happen", self.seed);
    }

    /// Lets everything happen whose time has come.
    fn happen(&mut self) {
        while let Some(entry) = self.events.first_entry()
            && entry.key().0 <= self.now
        {
            match entry.remove() {
                Event::Bytes { to, bytes } => self.bytes_arrive(to, &bytes),
                Event::Farewell { to } => self.farewell_arrives(to),
                Event::Reset { to } => self.reset(to),
                Event::Arrival { listener, fd } => self.connection_arrives(listener, fd),
                Event::Done(done) => self.ready.push(done),
            }
        }
    }

    /// Gives completions out in any order, those of one operation in theirs, and keeps some for later.
    fn hand_out(&mut self, into: &mut Vec<Completion>) {
        let mut lines: Vec<VecDeque<Completion>> = Vec::new();
        for done in self.ready.drain(..) {
            match lines.iter_mut().find(|line| line.front().is_some_and(|f| f.user_data == done.user_data)) {
                Some(line) => line.push_back(done),
                None => lines.push(VecDeque::from([done])),
            }
        }
        let mut given = 0;
        while !lines.is_empty() {
            let at = self.dice.below(lines.len());
            if given > 0 && self.dice.chance(self.weather.late) {
                self.ready.extend(lines.swap_remove(at));
                continue;
            }
            let Some(line) = lines.get_mut(at) else { break };
            if let Some(done) = line.pop_front() {
                self.trace = (self.trace ^ done.user_data ^ u64::from(done.result.cast_unsigned()) << 32)
                    .wrapping_mul(0x0100_0000_01b3);
                into.push(done);
                given += 1;
            }
            if line.is_empty() {
                lines.swap_remove(at);
            }
        }
    }

    pub(super) fn done(&mut self, user_data: u64, result: i32, flags: u32) {
        self.ready.push(Completion { user_data, result, flags });
    }

    /// Lets something happen later; returns when.
    pub(super) fn later(&mut self, at: Duration, event: Event) {
        self.scheduled += 1;
        self.events.insert((at, self.scheduled), event);
    }

    /// How long a segment takes now.
    pub(super) fn latency(&mut self) -> Duration {
        let (least, most) = self.weather.latency;
        let usual = self.dice.between(least, most);
        if self.dice.chance(self.weather.stalls) { usual * 100 } else { usual }
    }

    /// Makes a descriptor.
    pub(super) fn insert(&mut self, end: End) -> RawFd {
        let fd = self.next_fd;
        self.next_fd += 1;
        self.ends.insert(fd, end);
        fd
    }

    pub(crate) fn socket(&mut self, from: Option<SockAddr>) -> RawFd {
        self.insert(End::Fresh { from })
    }

    pub(crate) fn listen(&mut self, address: &SockAddr, backlog: i32) -> io::Result<RawFd> {
        let address = self.with_port(address);
        let taken = |end: &End| matches!(end, End::Listening(l) if l.address == address);
        if self.ends.values().any(taken) {
            return Err(io::Error::from_raw_os_error(libc::EADDRINUSE));
        }
        let backlog_max = usize::try_from(backlog).unwrap_or(0).max(1);
        Ok(self.insert(End::Listening(Listening {
            address,
            backlog: VecDeque::new(),
            backlog_max,
            accept: None,
        })))
    }

    /// The address with a port of its own if it names none.
    pub(super) fn with_port(&mut self, address: &SockAddr) -> SockAddr {
        match address.as_socket() {
            Some(inet) if inet.port() == 0 => {
                self.next_port = self.next_port.checked_add(1).unwrap_or(FIRST_PORT);
                SocketAddr::new(inet.ip(), self.next_port).into()
            }
            _ => address.clone(),
        }
    }

    /// The local address of a descriptor, and the remote one if it is connected.
    pub(crate) fn names(&self, fd: RawFd) -> io::Result<(SockAddr, Option<SockAddr>)> {
        match self.ends.get(&fd) {
            Some(End::Listening(listening)) => Ok((listening.address.clone(), None)),
            Some(End::Open(open)) => Ok((open.local.clone(), Some(open.remote.clone()))),
            Some(End::Fresh { .. }) | None => Err(io::Error::from_raw_os_error(libc::ENOTCONN)),
        }
    }
}

fn read_address(address: *const libc::sockaddr, bytes: libc::socklen_t) -> SockAddr {
    // SAFETY: the caller staged an address of this many bytes for this submission, and a zeroed storage is valid.
    let read = unsafe {
        SockAddr::try_init(|storage, length| {
            std::ptr::copy_nonoverlapping(address.cast::<u8>(), storage.cast::<u8>(), bytes as usize);
            *length = bytes;
            Ok(())
        })
    };
    read.map_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)).into(), |((), address)| address)
}

fn read_message(message: *const libc::msghdr) -> Vec<(*const u8, usize)> {
    // SAFETY: the caller staged the header and its pieces for this submission.
    let pieces = unsafe { std::slice::from_raw_parts((*message).msg_iov, (*message).msg_iovlen) };
    pieces.iter().map(|p| (p.iov_base.cast_const().cast(), p.iov_len)).collect()
}
