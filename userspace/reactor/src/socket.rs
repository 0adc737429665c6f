//! A socket's descriptor, held by its stream and by every operation on it, closed when the last of them lets go.

use crate::hub::Hub;
use crate::op::recv::Inflow;
use std::cell::RefCell;
use std::os::fd::{BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::rc::Rc;

pub(crate) struct Socket {
    pub(crate) hub: Rc<Hub>,
    pub(crate) fd: RawFd,
    pub(crate) inflow: RefCell<Inflow>,
}

impl Socket {
    pub(crate) fn new(hub: Rc<Hub>, fd: OwnedFd) -> Rc<Socket> {
        Socket::of_raw(hub, fd.into_raw_fd())
    }

    /// Takes over a descriptor that the kernel (or the simulator) has just made.
    pub(crate) fn of_raw(hub: Rc<Hub>, fd: RawFd) -> Rc<Socket> {
        Rc::new(Socket { hub, fd, inflow: RefCell::default() })
    }

    pub(crate) fn borrow(&self) -> BorrowedFd<'_> {
        // SAFETY: self owns the descriptor and closes it only on drop.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.hub.close(self.fd);
    }
}
