//! One client connection, as everything above its bytes sees it.
use crate::{desk::Desk, watch::Watch};
use std::cell::Cell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
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
            if self.number.get().is_none() {
                self.number.set(Some(self.desk.enlist(cx.waker())));
            }
            Poll::Pending
        })
        .await
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.desk.closed();
        if let Some(number) = self.number.get() {
            self.desk.delist(number);
        }
    }
}
