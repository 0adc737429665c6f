//! Send: one owned piece, complete or failed.

use crate::counters::add;
use crate::op::once::Once;
use crate::owned::Owned;
use crate::request::Request;
use crate::slot::Hold;
use crate::socket::Socket;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// Sends all bytes of a buffer and gives it back. Dropped early, an unknown part may have been sent.
#[must_use = "futures do nothing unless polled"]
pub struct Sending<'a, B: Owned> {
    socket: &'a Rc<Socket>,
    data: Option<B>,
    sent: usize,
    once: Once,
}

impl<'a, B: Owned> Sending<'a, B> {
    pub(crate) fn new(socket: &'a Rc<Socket>, data: B) -> Self {
        Sending { socket, data: Some(data), sent: 0, once: Once::new(Rc::clone(&socket.hub)) }
    }
}

// The buffer's bytes stay in place when the future moves: that is what Owned promises.
impl<B: Owned> Unpin for Sending<'_, B> {}

impl<B: Owned> Future for Sending<'_, B> {
    type Output = (io::Result<()>, B);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(data) = &this.data else { return Poll::Pending };
        let all = data.bytes().len();
        let clear = if this.once.in_flight() { Ok(()) } else { ready!(this.socket.poll_posted(cx)) };
        let result = loop {
            if clear.is_err() {
                break clear;
            }
            if this.sent >= all {
                break Ok(());
            }
            let (socket, sent) = (this.socket, this.sent);
            let progress = this.once.poll(cx, |_| {
                let rest = data.bytes().get(sent..).unwrap_or_default();
                let bytes = u32::try_from(rest.len()).unwrap_or(u32::MAX);
                (Request::Send { fd: socket.fd, data: rest.as_ptr(), bytes }, Hold::Socket(Rc::clone(socket)))
            });
            match ready!(progress) {
                Ok(n) => this.sent += socket.sent(n, all - sent),
                Err(e) => break Err(e),
            }
        };
        match this.data.take() {
            Some(data) => Poll::Ready((result, data)),
            None => Poll::Pending,
        }
    }
}

impl<B: Owned> Drop for Sending<'_, B> {
    fn drop(&mut self) {
        if self.once.in_flight()
            && let Some(data) = self.data.take()
        {
            self.once.abandon(Some(Box::new(data)));
        }
    }
}

impl Socket {
    /// Counts a completed send of `n` bytes out of `asked`.
    pub(crate) fn sent(&self, n: u32, asked: usize) -> usize {
        let n = n as usize;
        add(&self.hub.tally.sends, 1);
        add(&self.hub.tally.send_bytes, n as u64);
        if n < asked {
            add(&self.hub.tally.sends_short, 1);
        }
        n
    }
}
