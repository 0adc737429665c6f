//! Where requests go and completions come from: the kernel's ring, or the simulator's network.

use crate::counters::Tally;
use crate::inbox::Inbox;
use crate::listener::{Listen, open_at};
use crate::request::Request;
use crate::ring::{Completion, Ring};
use crate::sim::kernel::Kernel;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

/// One branch per operation; everything above it is the same code on both sides.
#[expect(
    clippy::large_enum_variant,
    reason = "one per thread; a box would cost the real side an indirection"
)]
pub(crate) enum Driver {
    Ring(Ring),
    Sim(Box<Kernel>),
}

impl Driver {
    #[inline]
    pub(crate) fn push(&mut self, request: Request, user_data: u64, tally: &Tally) {
        match self {
            Driver::Ring(ring) => ring.push(request, user_data, tally),
            Driver::Sim(kernel) => kernel.push(request, user_data),
        }
    }

    /// Submits, waits, and takes the completions that are there.
    pub(crate) fn turn(
        &mut self,
        want: u32,
        timeout: Option<Duration>,
        into: &mut Vec<Completion>,
        tally: &Tally,
    ) -> io::Result<()> {
        match self {
            Driver::Ring(ring) => {
                ring.wait(want, timeout, tally)?;
                ring.drain(into, tally);
            }
            Driver::Sim(kernel) => kernel.turn(want, timeout, into),
        }
        Ok(())
    }

    /// Lets a simulated kernel hear the bell, which is outside of its world; a real one hears by itself.
    pub(crate) fn hear(&mut self, inbox: &Inbox) {
        if let Driver::Sim(kernel) = self
            && inbox.is_rung()
        {
            kernel.ring_bell();
        }
    }

    /// Whether something was pushed that has not been taken yet.
    pub(crate) fn has_queued(&mut self) -> bool {
        match self {
            Driver::Ring(ring) => ring.has_queued(),
            Driver::Sim(_) => false,
        }
    }

    /// Whether the kernel has told of everything that it has done, and does nothing until it is entered again. Of a simulated
    /// one it is never known.
    pub(crate) fn has_told_all(&mut self) -> bool {
        match self {
            Driver::Ring(ring) => ring.has_told_all(),
            Driver::Sim(_) => false,
        }
    }

    /// The time now, on the clock that began at `epoch`.
    #[inline]
    pub(crate) fn now(&self, epoch: Instant) -> Instant {
        match self {
            Driver::Ring(_) => Instant::now(),
            Driver::Sim(kernel) => epoch + kernel.now(),
        }
    }

    /// A socket to connect to `to` with, bound to `from` if that is given.
    pub(crate) fn socket(&mut self, to: &SockAddr, from: Option<&SockAddr>) -> io::Result<RawFd> {
        if let Driver::Sim(kernel) = self {
            return Ok(kernel.socket(from.cloned()));
        }
        let socket = Socket::new(Domain::from(i32::from(to.family())), Type::STREAM.cloexec(), None)?;
        if !to.is_unix() {
            socket.set_tcp_nodelay(true)?;
        }
        if let Some(from) = from {
            socket.bind(from)?;
        }
        Ok(socket.into_raw_fd())
    }

    pub(crate) fn listen(&mut self, address: &SockAddr, listen: Listen) -> io::Result<RawFd> {
        match self {
            Driver::Ring(_) => open_at(address, listen).map(OwnedFd::into_raw_fd),
            Driver::Sim(kernel) => kernel.listen(address, listen.backlog),
        }
    }

    /// The local address of a socket, and the remote one if it is connected.
    pub(crate) fn names(&self, fd: RawFd) -> io::Result<(SockAddr, Option<SockAddr>)> {
        match self {
            Driver::Ring(_) => {
                // SAFETY: the caller holds the socket open during this call.
                let fd = unsafe { BorrowedFd::borrow_raw(fd) };
                let socket = SockRef::from(&fd);
                Ok((socket.local_addr()?, socket.peer_addr().ok()))
            }
            Driver::Sim(kernel) => kernel.names(fd),
        }
    }

    /// Whether descriptors are the system's, so that it can be asked about them.
    pub(crate) fn is_real(&self) -> bool {
        matches!(self, Driver::Ring(_))
    }

    pub(crate) fn reset_on_close(&mut self, fd: RawFd) -> io::Result<()> {
        match self {
            Driver::Ring(_) => {
                // SAFETY: the caller holds the socket open during this call.
                let fd = unsafe { BorrowedFd::borrow_raw(fd) };
                SockRef::from(&fd).set_linger(Some(Duration::ZERO))
            }
            Driver::Sim(kernel) => {
                kernel.reset_on_close(fd);
                Ok(())
            }
        }
    }

    /// Closes a descriptor after the end of the ring.
    pub(crate) fn close_now(&mut self, fd: RawFd) {
        if self.is_real() {
            // SAFETY: the caller owns the descriptor and forgets it.
            drop(unsafe { OwnedFd::from_raw_fd(fd) });
        }
    }
}
