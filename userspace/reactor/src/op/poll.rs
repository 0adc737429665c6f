//! Poll: waits until a descriptor that is not a stream of ours is ready.

use crate::here;
use crate::op::once::Once;
use crate::request::Request;
use crate::slot::Hold;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// Waits for readiness; the result are the events, as `poll(2)` names them.
#[must_use = "futures do nothing unless polled"]
pub struct Polling {
    file: Rc<OwnedFd>,
    events: u32,
    once: Once,
}

/// Waits until `file` is readable. The descriptor stays open until the operation has ended.
pub fn readable(file: &Rc<OwnedFd>) -> Polling {
    poll(file, libc::POLLIN)
}

/// Waits until `file` is writable.
pub fn writable(file: &Rc<OwnedFd>) -> Polling {
    poll(file, libc::POLLOUT)
}

fn poll(file: &Rc<OwnedFd>, events: libc::c_short) -> Polling {
    let events = u32::from(events.cast_unsigned());
    Polling { file: Rc::clone(file), events, once: Once::new(here::hub()) }
}

impl Future for Polling {
    type Output = io::Result<u32>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let request = Request::Poll { fd: this.file.as_raw_fd(), events: this.events };
        this.once.poll(cx, |_| (request, Hold::File(Rc::clone(&this.file))))
    }
}
