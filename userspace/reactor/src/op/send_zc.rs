//! Zero-copy send: the kernel sends from the buffer itself and says later that it is free. It may pay on real network
//! cards for buffers of 16 KiB and more; over loopback the kernel copies after all, and it costs 1.4 times a plain send.

use crate::counters::add;
use crate::owned::Owned;
use crate::request::Request;
use crate::slot::{Hold, Key, Kind, Slot};
use crate::socket::Socket;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// Sends all bytes of a buffer, which stays with the operation until the kernel is done with it.
#[must_use = "futures do nothing unless polled"]
pub struct SendingZeroCopy<'a, B: Owned> {
    socket: &'a Rc<Socket>,
    data: Option<Rc<B>>,
    sent: usize,
    key: Option<Key>,
}

impl<'a, B: Owned> SendingZeroCopy<'a, B> {
    pub(crate) fn new(socket: &'a Rc<Socket>, data: B) -> Self {
        SendingZeroCopy { socket, data: Some(Rc::new(data)), sent: 0, key: None }
    }

    fn start(&mut self, cx: &Context<'_>) -> io::Result<bool> {
        let Some(data) = &self.data else { return Ok(false) };
        let rest = data.bytes().get(self.sent..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(false);
        }
        let bytes = u32::try_from(rest.len()).unwrap_or(u32::MAX);
        let request = Request::SendZero { fd: self.socket.fd, data: rest.as_ptr(), bytes };
        let mut slot = Slot::new(Kind::ZeroCopy, Hold::Socket(Rc::clone(self.socket)));
        slot.waker = Some(cx.waker().clone());
        slot.keep(Box::new(Rc::clone(data)));
        add(&self.socket.hub.tally.zero_copies, 1);
        self.key = Some(self.socket.hub.start(request, slot)?);
        Ok(true)
    }
}

// The bytes stay in place when the future moves: that is what Owned promises.
impl<B: Owned> Unpin for SendingZeroCopy<'_, B> {}

impl<B: Owned> Future for SendingZeroCopy<'_, B> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.key.is_none() {
            ready!(this.socket.poll_posted(cx))?;
        }
        loop {
            if let Some(key) = this.key {
                let result = ready!(this.socket.hub.poll(key, cx));
                this.key = None;
                let n = u32::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result))?;
                let all = this.data.as_ref().map_or(0, |d| d.bytes().len());
                this.sent += this.socket.sent(n, all - this.sent);
            }
            if !this.start(cx)? {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<B: Owned> Drop for SendingZeroCopy<'_, B> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.socket.hub.orphan(key, None);
        }
    }
}
