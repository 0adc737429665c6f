//! A socket's descriptor, held by its stream and by every operation on it, closed when the last of them lets go.

use crate::hub::Hub;
use crate::op::post::Outbox;
use crate::op::recv::Inflow;
use socket2::SockRef;
use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::rc::Rc;

pub(crate) struct Socket {
    pub(crate) hub: Rc<Hub>,
    pub(crate) fd: RawFd,
    pub(crate) inflow: RefCell<Inflow>,
    /// What was posted and is not sent yet.
    pub(crate) outbox: RefCell<Option<Box<Outbox>>>,
}

impl Socket {
    pub(crate) fn new(hub: Rc<Hub>, fd: OwnedFd) -> Rc<Socket> {
        Socket::of_raw(hub, fd.into_raw_fd())
    }

    /// Takes over a descriptor that the kernel (or the simulator) has just made.
    pub(crate) fn of_raw(hub: Rc<Hub>, fd: RawFd) -> Rc<Socket> {
        Rc::new(Socket { hub, fd, inflow: RefCell::default(), outbox: RefCell::default() })
    }

    /// The system's socket behind this one.
    pub(crate) fn option(&self) -> io::Result<SockRef<'_>> {
        if !self.hub.driver.borrow().is_real() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "a simulated socket"));
        }
        Ok(SockRef::from(self))
    }
}

impl Socket {
    /// Lets system calls on the socket return instead of waiting. The ring waits for it nevertheless.
    pub(crate) fn never_wait(&self) -> io::Result<()> {
        self.option()?.set_nonblocking(true)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: self owns the descriptor and closes it only on drop.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.hub.close(self.fd);
    }
}
