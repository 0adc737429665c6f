//! Post: bytes that are sent without anyone waiting for it. One post of a socket is on its way at a time; whoever posts,
//! sends or ends next waits until it is gone, and learns if it could not be sent.

use crate::buf::Buf;
use crate::hub::{Hub, gone};
use crate::request::Request;
use crate::slot::{Hold, Key, Kind, Slot};
use crate::socket::Socket;
use crate::spare::Spare;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// What a socket has on its way. It lives until the last completion, as the operation holds the socket.
#[derive(Default)]
pub(crate) struct Outbox {
    head: Vec<u8>,
    body: Option<Buf>,
    sent: usize,
    /// The send in flight.
    armed: Option<Key>,
    /// The stream is gone: nothing further is sent.
    abandoned: bool,
    failed: Option<i32>,
    waker: Option<Waker>,
}

impl Outbox {
    fn total(&self) -> usize {
        self.head.len() + self.body.as_ref().map_or(0, |body| body.len())
    }

    /// What has not been sent yet: two pieces, of which one may be empty.
    fn rest(&self) -> [&[u8]; 2] {
        let head = self.head.get(self.sent..).unwrap_or_default();
        let body = self.body.as_deref().unwrap_or_default();
        let skip = self.sent.saturating_sub(self.head.len());
        [head, body.get(skip..).unwrap_or_default()]
    }

    fn fail(&mut self, errno: i32) {
        self.failed = Some(errno);
        (self.head, self.body) = (Vec::new(), None);
    }
}

/// Boxes that are kept beyond those in use.
const SPARE_MAX: usize = 256;

/// Boxes that no socket uses.
pub(crate) struct Outboxes(pub(crate) Spare<Box<Outbox>>);

impl Default for Outboxes {
    fn default() -> Outboxes {
        Outboxes(Spare::new(SPARE_MAX))
    }
}

impl Socket {
    /// Whether something posted is on its way, or has failed.
    pub(crate) fn has_posted(&self) -> bool {
        self.outbox.borrow().is_some()
    }

    /// Ready once nothing posted is on its way.
    #[inline]
    pub(crate) fn poll_posted(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        match self.outbox.borrow_mut().as_deref_mut() {
            None => Poll::Ready(Ok(())),
            Some(Outbox { failed: Some(errno), .. }) => {
                Poll::Ready(Err(io::Error::from_raw_os_error(*errno)))
            }
            Some(outbox) => {
                outbox.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Sends what stands in `head` and then the buffer. An error if something posted is still on its way.
    pub(crate) fn post(self: &Rc<Self>, head: Vec<u8>, body: Option<Buf>) -> io::Result<()> {
        let mut place = self.outbox.borrow_mut();
        if place.is_some() {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        let mut outbox = self.hub.outboxes.0.take().unwrap_or_default();
        *outbox = Outbox { head, body, ..Outbox::default() };
        self.send_rest(&mut outbox)?;
        *place = Some(outbox);
        Ok(())
    }

    fn send_rest(self: &Rc<Self>, outbox: &mut Outbox) -> io::Result<()> {
        let fd = self.fd;
        let one = |piece: &[u8]| {
            let bytes = u32::try_from(piece.len()).unwrap_or(u32::MAX);
            Request::Send { fd, data: piece.as_ptr(), bytes }
        };
        let request = match outbox.rest() {
            [head, []] => one(head),
            [[], body] => one(body),
            pieces => {
                let message = self.hub.staging.borrow_mut().message(pieces.into_iter());
                Request::SendVectored { fd, message }
            }
        };
        let slot = Slot::new(Kind::Post, Hold::Socket(Rc::clone(self)));
        outbox.armed = Some(self.hub.start(request, slot)?);
        Ok(())
    }

    /// Takes in the completion of a post.
    pub(crate) fn posted(self: &Rc<Self>, result: i32) {
        let mut place = self.outbox.borrow_mut();
        let Some(outbox) = place.as_deref_mut() else { return };
        if self.goes_on(outbox, result) {
            return;
        }
        let waker = outbox.waker.take();
        if outbox.failed.is_none() {
            Socket::clear(&self.hub, &mut place);
        }
        drop(place);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Counts what was sent, and sends what is left; false if nothing is, or it cannot be.
    fn goes_on(self: &Rc<Self>, outbox: &mut Outbox, result: i32) -> bool {
        outbox.armed = None;
        let all = outbox.total();
        let sent = match u32::try_from(result) {
            Ok(n) => self.sent(n, all - outbox.sent),
            Err(_) => {
                outbox.fail(-result);
                return false;
            }
        };
        outbox.sent += sent;
        if outbox.sent >= all {
            return false;
        }
        let started = if outbox.abandoned { Err(gone()) } else { self.send_rest(outbox) };
        if let Err(error) = &started {
            outbox.fail(error.raw_os_error().unwrap_or(libc::ECANCELED));
        }
        started.is_ok()
    }

    /// All is sent: the memory is free.
    fn clear(hub: &Hub, place: &mut Option<Box<Outbox>>) {
        if let Some(mut outbox) = place.take() {
            hub.sheets.put(std::mem::take(&mut outbox.head));
            outbox.body = None;
            hub.outboxes.0.put(outbox);
        }
    }

    /// The sender is gone: what the kernel has not taken yet will not be sent.
    pub(crate) fn abandon(&self) {
        if let Some(outbox) = self.outbox.borrow_mut().as_deref_mut()
            && let Some(key) = outbox.armed
        {
            outbox.abandoned = true;
            self.hub.cancel(key);
        }
    }
}
