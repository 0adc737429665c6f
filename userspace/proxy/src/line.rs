//! One client connection, as everything above its bytes sees it.
use crate::{desk::Desk, watch::Watch};
use std::cell::Cell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use weir_message::Scheme;

/// What is known about a connection before its first request.
pub(crate) struct Line {
    /// The worker it belongs to.
    pub(crate) desk: Rc<Desk>,
    /// The listener's name, by which it is found again in the next plan.
    pub(crate) listener: Arc<str>,
    /// The other end of the socket: the only address that is ever banned.
    pub(crate) socket: SocketAddr,
    /// The client, as the PROXY protocol names it.
    pub(crate) peer: SocketAddr,
    /// Where it connected to.
    pub(crate) local: SocketAddr,
    /// Whether it is encrypted.
    pub(crate) scheme: Scheme,
    /// The server name of the handshake.
    pub(crate) server_name: Option<Box<str>>,
    /// Its time limits.
    pub(crate) watch: Watch,
    /// Requests on it so far.
    pub(crate) requests: Cell<u32>,
    /// Its number on the worker's roll, once it has one.
    pub(crate) number: Cell<Option<usize>>,
    pub(crate) open: Rc<Open>,
}

impl Line {
    /// Runs a future unless the worker begins to drain.
    pub(crate) async fn unless_draining<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        poll_fn(|cx| {
            if let Poll::Ready(done) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            if self.desk.is_draining() {
                return Poll::Ready(None);
            }
            self.enlist(cx.waker());
            Poll::Pending
        })
        .await
    }

    /// Has this connection's task woken when the worker begins to drain.
    pub(crate) fn enlist(&self, waker: &Waker) {
        if self.number.get().is_none() {
            self.number.set(Some(self.desk.enlist(waker)));
        }
    }

    /// The same connection for one of its streams, with time limits of its own.
    pub(crate) fn branch(&self) -> Line {
        Line {
            desk: Rc::clone(&self.desk),
            listener: Arc::clone(&self.listener),
            socket: self.socket,
            peer: self.peer,
            local: self.local,
            scheme: self.scheme,
            server_name: self.server_name.clone(),
            watch: Watch::new(),
            requests: Cell::new(0),
            number: Cell::new(None),
            open: Rc::clone(&self.open),
        }
    }
}

/// Counts a connection as open until the last of its parts is gone.
pub(crate) struct Open(pub(crate) Rc<Desk>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.closed();
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(number) = self.number.get() {
            self.desk.delist(number);
        }
    }
}
