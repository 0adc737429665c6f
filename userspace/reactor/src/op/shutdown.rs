//! Shutdown: ends one direction of a stream.

use crate::op::once::Once;
use crate::request::Request;
use crate::slot::Hold;
use crate::socket::Socket;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// Tells the peer that nothing more will be sent.
#[must_use = "futures do nothing unless polled"]
pub struct ShuttingDown<'a> {
    socket: &'a Rc<Socket>,
    once: Once,
}

impl<'a> ShuttingDown<'a> {
    pub(crate) fn new(socket: &'a Rc<Socket>) -> Self {
        ShuttingDown { socket, once: Once::new(Rc::clone(&socket.hub)) }
    }
}

impl Future for ShuttingDown<'_> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let socket = self.socket;
        if !self.once.in_flight() {
            ready!(socket.poll_posted(cx))?;
        }
        let request = Request::Shutdown { fd: socket.fd, how: libc::SHUT_WR };
        self.once.poll(cx, |_| (request, Hold::Socket(Rc::clone(socket)))).map_ok(drop)
    }
}
