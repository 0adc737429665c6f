//! Connect: makes a socket and connects it.

use crate::counters::add;
use crate::op::once::Once;
use crate::request::Request;
use crate::slot::Hold;
use crate::socket::Socket;
use socket2::SockAddr;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// Waits until a socket is connected.
pub(crate) struct Connecting {
    socket: Rc<Socket>,
    address: SockAddr,
    once: Once,
}

impl Connecting {
    pub(crate) fn new(socket: Rc<Socket>, address: SockAddr) -> Connecting {
        add(&socket.hub.tally.connects, 1);
        let once = Once::new(Rc::clone(&socket.hub));
        Connecting { socket, address, once }
    }
}

impl Future for Connecting {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let progress = this.once.poll(cx, |hub| {
            let (address, bytes) = hub.staging.borrow_mut().address(this.address.clone());
            let request = Request::Connect { fd: this.socket.fd, address, bytes };
            (request, Hold::Socket(Rc::clone(&this.socket)))
        });
        progress.map_ok(drop)
    }
}
