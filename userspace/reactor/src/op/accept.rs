//! Accept: one multishot operation per listener. It pauses while the process is out of descriptors, while the reactor
//! is full, and while nobody takes what has arrived; the kernel's backlog holds the rest.

use crate::counters::add;
use crate::hub::Hub;
use crate::request::Request;
use crate::slot::{Hold, Key, Kind, Slot};
use crate::socket::Socket;
use crate::stream::Stream;
use crate::time::{Sleep, sleep};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

/// How long accepting rests when there are no descriptors or no memory, unless the caller closes something sooner.
const PAUSE: Duration = Duration::from_millis(50);

/// A listening socket and what has arrived on it.
pub(crate) struct Acceptor {
    pub(crate) hub: Rc<Hub>,
    pub(crate) fd: RawFd,
    arrivals: RefCell<Arrivals>,
}

#[derive(Default)]
struct Arrivals {
    armed: Option<Key>,
    cancelling: bool,
    closed: bool,
    /// No further accept is armed; what has arrived is still handed out.
    finishing: bool,
    queue: VecDeque<RawFd>,
    failed: Option<i32>,
    pause: Option<Pin<Box<Sleep>>>,
    waker: Option<Waker>,
}

impl Acceptor {
    pub(crate) fn new(hub: Rc<Hub>, fd: RawFd) -> Rc<Acceptor> {
        Rc::new(Acceptor { hub, fd, arrivals: RefCell::default() })
    }

    pub(crate) fn poll_accept(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        let mut arrivals = self.arrivals.borrow_mut();
        if self.is_full() {
            let ends = &mut self.hub.tasks.borrow_mut().ends;
            if !ends.iter().any(|waker| waker.will_wake(cx.waker())) {
                add(&self.hub.tally.accept_holds, 1);
                ends.push(cx.waker().clone());
            }
            return Poll::Pending;
        }
        if let Some(fd) = arrivals.queue.pop_front() {
            add(&self.hub.tally.accepts, 1);
            return Poll::Ready(Ok(Stream::new(Socket::of_raw(Rc::clone(&self.hub), fd))));
        }
        if arrivals.finishing {
            if arrivals.armed.is_none() {
                return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
            }
            arrivals.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if let Some(errno) = arrivals.failed.take() {
            match errno {
                libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM => {
                    add(&self.hub.tally.accept_pauses, 1);
                    arrivals.pause = Some(Box::pin(sleep(PAUSE)));
                }
                libc::ECANCELED | libc::ECONNABORTED | libc::EINTR | libc::EAGAIN | libc::EPROTO => {}
                _ => return Poll::Ready(Err(io::Error::from_raw_os_error(errno))),
            }
        }
        if let Some(pause) = &mut arrivals.pause {
            ready!(pause.as_mut().poll(cx));
            arrivals.pause = None;
        }
        arrivals.waker = Some(cx.waker().clone());
        if arrivals.armed.is_none() {
            let slot = Slot::new(Kind::Accept, Hold::Acceptor(Rc::clone(self)));
            arrivals.armed = Some(self.hub.start(Request::Accept { fd: self.fd }, slot)?);
        }
        Poll::Pending
    }

    fn is_full(&self) -> bool {
        self.hub.tasks.borrow().live() >= self.hub.config.tasks_max
    }

    /// Takes in one completion of the accept.
    pub(crate) fn arrived(&self, result: i32, last: bool) {
        let mut arrivals = self.arrivals.borrow_mut();
        match result {
            fd if fd >= 0 && arrivals.closed => self.hub.close(fd),
            fd if fd >= 0 => arrivals.queue.push_back(fd),
            errno => arrivals.failed = Some(-errno),
        }
        if last {
            arrivals.armed = None;
            arrivals.cancelling = false;
        } else if arrivals.queue.len() >= self.hub.config.accept_queue_max && !arrivals.cancelling {
            add(&self.hub.tally.accept_holds, 1);
            arrivals.cancelling = true;
            if let Some(key) = arrivals.armed {
                self.hub.cancel(key);
            }
        }
        let waker = arrivals.waker.take();
        drop(arrivals);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Ends the accept in flight; the task that waits arms the next one, which takes what is waiting already.
    pub(crate) fn renew(&self) {
        let mut arrivals = self.arrivals.borrow_mut();
        if let Some(key) = arrivals.armed
            && !arrivals.cancelling
        {
            arrivals.cancelling = true;
            self.hub.cancel(key);
        }
    }

    /// Ends accepting, once what the kernel has accepted meanwhile is handed out.
    pub(crate) fn finish(&self) {
        self.arrivals.borrow_mut().finishing = true;
        self.renew();
    }

    /// The listener is gone: close what nobody took and end the accept.
    pub(crate) fn hang_up(&self) {
        let mut arrivals = self.arrivals.borrow_mut();
        arrivals.closed = true;
        arrivals.waker = None;
        for fd in std::mem::take(&mut arrivals.queue) {
            self.hub.close(fd);
        }
        if let Some(key) = arrivals.armed
            && !arrivals.cancelling
        {
            arrivals.cancelling = true;
            self.hub.cancel(key);
        }
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.hub.close(self.fd);
    }
}

/// Waits for a connection. Dropping it loses none.
#[must_use = "futures do nothing unless polled"]
pub struct Accepting<'a>(pub(crate) &'a Rc<Acceptor>);

impl Future for Accepting<'_> {
    type Output = io::Result<Stream>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_accept(cx)
    }
}
