//! Pipes that carry bytes from socket to socket inside the kernel: each worker keeps a few, within `pipes_max`.

use crate::counters::add;
use crate::hub::Hub;
use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

/// What one pipe may hold. Larger ones gain nothing more on loopback (`cargo bench -p weir-reactor --bench relay`).
pub(crate) const PIPE_BYTES: usize = 256 * 1024;

/// The pipes of one worker.
#[derive(Default)]
pub(crate) struct Pipes {
    idle: RefCell<Vec<Ends>>,
    /// Pipes that exist, idle ones included.
    open: Cell<usize>,
}

struct Ends {
    reader: OwnedFd,
    writer: OwnedFd,
}

/// A pipe in use by one direction of one tunnel. Dropped empty it goes back to the worker's stock.
pub(crate) struct Pipe {
    hub: Rc<Hub>,
    ends: Option<Ends>,
    /// Bytes that are in it.
    pub(crate) filled: usize,
}

impl Pipe {
    /// A pipe, unless all are in use, the process is out of descriptors, or there is no kernel to splice.
    pub(crate) fn take(hub: &Rc<Hub>) -> Option<Pipe> {
        let idle = hub.pipes.idle.borrow_mut().pop();
        let ends = idle.or_else(|| Pipe::open(hub));
        if ends.is_none() {
            add(&hub.tally.pipes_refused, 1);
        }
        ends.map(|ends| Pipe { hub: Rc::clone(hub), ends: Some(ends), filled: 0 })
    }

    fn open(hub: &Hub) -> Option<Ends> {
        let open = &hub.pipes.open;
        if open.get() >= hub.config.pipes_max || !hub.driver.borrow().is_real() {
            return None;
        }
        let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).ok()?;
        // Refused beyond the user's share of pipe memory: a smaller pipe carries too.
        let _smaller = fcntl(&writer, FcntlArg::F_SETPIPE_SZ(libc::c_int::try_from(PIPE_BYTES).ok()?));
        open.set(open.get() + 1);
        Some(Ends { reader, writer })
    }

    /// Takes in what the socket has, at most `max`; nothing if it has to be waited for, 0 at its end.
    pub(crate) fn fill(&mut self, from: impl AsFd, max: usize) -> io::Result<Option<usize>> {
        let Some(ends) = &self.ends else { return Ok(Some(0)) };
        let moved = move_bytes(from, &ends.writer, max)?;
        self.filled += moved.unwrap_or(0);
        Ok(moved)
    }

    /// Gives to the socket what it takes; nothing if it has to be waited for.
    pub(crate) fn drain(&mut self, to: impl AsFd) -> io::Result<Option<usize>> {
        let Some(ends) = &self.ends else { return Ok(Some(0)) };
        let moved = move_bytes(&ends.reader, to, self.filled)?;
        self.filled -= moved.unwrap_or(0);
        Ok(moved)
    }
}

fn move_bytes(from: impl AsFd, to: impl AsFd, bytes: usize) -> io::Result<Option<usize>> {
    let flags = SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK;
    match splice(from, None, to, None, bytes, flags) {
        Ok(moved) => Ok(Some(moved)),
        Err(nix::Error::EAGAIN) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let Some(ends) = self.ends.take() else { return };
        let pipes = &self.hub.pipes;
        if self.filled == 0 {
            pipes.idle.borrow_mut().push(ends);
        } else {
            // What it still holds belongs to a connection that is gone.
            pipes.open.set(pipes.open.get().saturating_sub(1));
        }
    }
}
