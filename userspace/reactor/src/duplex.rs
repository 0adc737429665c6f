//! A stream as tokio's traits see it, for protocol crates that speak `AsyncRead` and `AsyncWrite`. No tokio runtime is
//! involved; both directions copy once.

use crate::buf::Buf;
use crate::op::once::Once;
use crate::request::Request;
use crate::slot::Hold;
use crate::socket::Socket;
use crate::stream::Stream;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that may be written and not yet sent; a writer beyond that waits.
const STAGED_MAX: usize = 64 * 1024;
/// Staged bytes that are sent without waiting for a flush.
const STAGED_ENOUGH: usize = 16 * 1024;

/// A stream for `AsyncRead` and `AsyncWrite`. Written bytes leave at the next flush, or when enough have come together.
pub struct Duplex {
    stream: Stream,
    unread: Option<Buf>,
    /// Written, not yet given to the kernel.
    staged: Vec<u8>,
    /// With the kernel, from `sent` on.
    flight: Vec<u8>,
    sent: usize,
    sending: Once,
    shutting: Once,
    shut: bool,
}

impl Duplex {
    /// Wraps a stream, with bytes that were read ahead of it.
    #[must_use]
    pub fn new(stream: Stream, unread: Option<Buf>) -> Duplex {
        let hub = &stream.socket().hub;
        let (sending, shutting) = (Once::new(Rc::clone(hub)), Once::new(Rc::clone(hub)));
        Duplex {
            unread,
            staged: Vec::new(),
            flight: Vec::new(),
            sent: 0,
            sending,
            shutting,
            shut: false,
            stream,
        }
    }

    /// The stream underneath.
    #[must_use]
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Sends until nothing is staged.
    fn drain(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.sent == self.flight.len() {
                self.flight.clear();
                self.flight.shrink_to(STAGED_ENOUGH);
                self.sent = 0;
                if self.staged.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                std::mem::swap(&mut self.flight, &mut self.staged);
            }
            let (socket, rest) = (self.stream.socket(), self.flight.get(self.sent..).unwrap_or_default());
            if !self.sending.in_flight() {
                ready!(socket.poll_posted(cx))?;
            }
            let progress = self.sending.poll(cx, |_| {
                let bytes = u32::try_from(rest.len()).unwrap_or(u32::MAX);
                (Request::Send { fd: socket.fd, data: rest.as_ptr(), bytes }, Hold::Socket(Rc::clone(socket)))
            });
            self.sent += socket.sent(ready!(progress)?, rest.len());
        }
    }
}

impl AsyncRead for Duplex {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.unread.is_none() {
            this.unread = ready!(this.stream.socket().poll_recv(cx))?;
        }
        if let Some(buf) = &mut this.unread {
            let n = buf.len().min(into.remaining());
            into.put_slice(buf.get(..n).unwrap_or_default());
            buf.advance(n);
            if buf.is_empty() {
                this.unread = None;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Duplex {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if self.staged.len() >= STAGED_ENOUGH
            && let Poll::Ready(Err(e)) = self.drain(cx)
        {
            return Poll::Ready(Err(e));
        }
        let n = data.len().min(STAGED_MAX.saturating_sub(self.staged.len()));
        if n == 0 && !data.is_empty() {
            return Poll::Pending;
        }
        self.staged.extend_from_slice(data.get(..n).unwrap_or_default());
        Poll::Ready(Ok(n))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.drain(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.drain(cx))?;
        let this = &mut *self;
        if !this.shut {
            let socket = Rc::<Socket>::clone(this.stream.socket());
            let request = Request::Shutdown { fd: socket.fd, how: libc::SHUT_WR };
            ready!(this.shutting.poll(cx, |_| (request, Hold::Socket(socket))))?;
            this.shut = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Duplex {
    fn drop(&mut self) {
        if self.sending.in_flight() {
            self.sending.abandon(Some(Box::new(std::mem::take(&mut self.flight))));
        }
    }
}
