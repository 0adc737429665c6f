//! Receive: one multishot operation per stream that draws pool buffers as data comes, so an idle stream holds none.
//! A reader that falls behind pauses it; a stream of full buffers goes over to one receive at a time.

use crate::buf::Buf;
use crate::counters::add;
use crate::pool::{Bid, NONE, Pool};
use crate::request::Request;
use crate::ring::Completion;
use crate::slot::{Hold, Key, Kind, Slot};
use crate::socket::Socket;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// How a stream's incoming side ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Shut,
    Failed(i32),
}

/// The incoming side of a socket.
pub(crate) struct Inflow {
    /// The receive in flight.
    armed: Option<Key>,
    cancelling: bool,
    /// The reader is gone: what still comes is dropped.
    closed: bool,
    /// The last buffer was full, so more than one is likely on its way.
    bulk: bool,
    /// It stands in the hub's line for a buffer.
    starved: bool,
    /// Received and unread, linked through the pool.
    first: Bid,
    last: Bid,
    queued: u16,
    end: Option<End>,
    waker: Option<Waker>,
}

impl Default for Inflow {
    fn default() -> Inflow {
        Inflow {
            armed: None,
            cancelling: false,
            closed: false,
            bulk: false,
            starved: false,
            first: NONE,
            last: NONE,
            queued: 0,
            end: None,
            waker: None,
        }
    }
}

impl Inflow {
    fn push(&mut self, bid: Bid, pool: &Pool) {
        if self.first == NONE {
            self.first = bid;
        } else {
            pool.chain(self.last, bid);
        }
        self.last = bid;
        self.queued += 1;
    }

    fn pop(&mut self, pool: &Pool) -> Option<Bid> {
        if self.first == NONE {
            return None;
        }
        let bid = self.first;
        self.first = pool.next(bid);
        self.queued -= 1;
        Some(bid)
    }
}

impl Socket {
    /// The next received buffer; none at the end of the stream.
    #[inline]
    pub(crate) fn poll_recv(self: &Rc<Self>, cx: &Context<'_>) -> Poll<io::Result<Option<Buf>>> {
        let pool = &self.hub.pool;
        let mut inflow = self.inflow.borrow_mut();
        if let Some(bid) = inflow.pop(pool) {
            return Poll::Ready(Ok(Some(Buf::received(Rc::clone(pool), bid))));
        }
        match inflow.end {
            Some(End::Shut) => return Poll::Ready(Ok(None)),
            Some(End::Failed(errno)) => return Poll::Ready(Err(io::Error::from_raw_os_error(errno))),
            None => {}
        }
        self.watch(&mut inflow, cx)?;
        Poll::Pending
    }

    /// Ready once the peer has ended its side or is lost, and nothing that it sent before is unread.
    pub(crate) fn poll_end(self: &Rc<Self>, cx: &Context<'_>) -> Poll<()> {
        let mut inflow = self.inflow.borrow_mut();
        if inflow.queued > 0 {
            return Poll::Pending;
        }
        if inflow.end.is_some() || self.watch(&mut inflow, cx).is_err() {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Ready once the connection has failed. That the peer has ended its side is no failure: it may still be reading.
    pub(crate) fn poll_lost(self: &Rc<Self>, cx: &Context<'_>) -> Poll<()> {
        let mut inflow = self.inflow.borrow_mut();
        let failed = match inflow.end {
            Some(End::Failed(_)) => true,
            Some(End::Shut) => false,
            None => inflow.queued == 0 && self.watch(&mut inflow, cx).is_err(),
        };
        if failed { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Ready once there is something to be received, or the end.
    pub(crate) fn poll_readable(self: &Rc<Self>, cx: &Context<'_>) -> Poll<()> {
        let mut inflow = self.inflow.borrow_mut();
        if inflow.queued > 0 || inflow.end.is_some() || self.watch(&mut inflow, cx).is_err() {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Has the task woken by whatever comes next, for which a receive is armed if none is.
    fn watch(self: &Rc<Self>, inflow: &mut Inflow, cx: &Context<'_>) -> io::Result<()> {
        let pool = &self.hub.pool;
        match &mut inflow.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        if inflow.armed.is_none() {
            if pool.available() > 0 {
                inflow.armed = Some(self.arm(inflow.bulk || pool.is_scarce())?);
            } else if !inflow.starved {
                inflow.starved = true;
                self.hub.starved.borrow_mut().push_back(Rc::downgrade(self));
            }
        }
        Ok(())
    }

    fn arm(self: &Rc<Self>, one: bool) -> io::Result<Key> {
        add(&self.hub.tally.recv_arms, 1);
        let fd = self.fd;
        let request = if one { Request::RecvOne { fd } } else { Request::RecvMany { fd } };
        self.hub.start(request, Slot::new(Kind::Recv, Hold::Socket(Rc::clone(self))))
    }

    /// Takes in one completion of the receive.
    pub(crate) fn received(&self, done: Completion, last: bool) {
        let hub = &self.hub;
        let mut inflow = self.inflow.borrow_mut();
        if let Some(bid) = io_uring::cqueue::buffer_select(done.flags) {
            let bytes = u32::try_from(done.result).unwrap_or(0);
            hub.pool.filled(bid, bytes);
            if bytes == 0 || inflow.closed {
                hub.pool.give(bid);
            } else {
                add(&hub.tally.recvs, 1);
                add(&hub.tally.recv_bytes, u64::from(bytes));
                inflow.bulk = bytes == hub.pool.buffer_bytes();
                inflow.push(bid, &hub.pool);
            }
        }
        if last {
            inflow.armed = None;
            inflow.cancelling = false;
            match -done.result {
                0 => inflow.end = Some(End::Shut),
                libc::ENOBUFS => {
                    add(&hub.tally.buffers_exhausted, 1);
                    if inflow.queued < hub.config.recv_queue_max {
                        hub.pool.deepen();
                    }
                }
                // Paused by ourselves or by the kernel: the next read arms it again.
                libc::ECANCELED | libc::EINTR | libc::EAGAIN => {}
                errno if errno > 0 => inflow.end = Some(End::Failed(errno)),
                _ => {}
            }
        } else if inflow.queued >= hub.config.recv_queue_max && !inflow.cancelling {
            add(&hub.tally.recv_holds, 1);
            inflow.cancelling = true;
            if let Some(key) = inflow.armed {
                hub.cancel(key);
            }
        }
        let waker = inflow.waker.take();
        drop(inflow);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Ends the receive that is armed; whether nothing is left to read, so that the socket may be read another way.
    pub(crate) fn poll_rest(&self, cx: &Context<'_>) -> Poll<bool> {
        let mut inflow = self.inflow.borrow_mut();
        if inflow.first != NONE || inflow.end.is_some() {
            return Poll::Ready(false);
        }
        let Some(key) = inflow.armed else { return Poll::Ready(true) };
        if !inflow.cancelling {
            inflow.cancelling = true;
            self.hub.cancel(key);
        }
        inflow.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// There is a buffer for this socket: its reader may try again.
    pub(crate) fn feed(&self) {
        let mut inflow = self.inflow.borrow_mut();
        inflow.starved = false;
        let waker = inflow.waker.take();
        drop(inflow);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The reader is gone: give its buffers back and end the receive.
    pub(crate) fn hang_up(&self) {
        let mut inflow = self.inflow.borrow_mut();
        inflow.closed = true;
        inflow.waker = None;
        while let Some(bid) = inflow.pop(&self.hub.pool) {
            self.hub.pool.give(bid);
        }
        if let Some(key) = inflow.armed
            && !inflow.cancelling
        {
            inflow.cancelling = true;
            self.hub.cancel(key);
        }
    }
}

/// Waits for received bytes. Dropping it loses nothing: what comes meanwhile waits for the next one.
#[must_use = "futures do nothing unless polled"]
pub struct Receiving<'a>(pub(crate) &'a Rc<Socket>);

impl Future for Receiving<'_> {
    type Output = io::Result<Option<Buf>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_recv(cx)
    }
}
