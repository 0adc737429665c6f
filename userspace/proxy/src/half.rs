//! What an exchange knows of an HTTP version: one half that receives and one that sends.
use crate::{
    fault::Broken,
    h1::{Inflow, Outflow},
    stream::Stream,
};
use std::rc::Rc;
use std::task::{Context, Poll};
use weir_message::{Head, Method, Response, h1::Delivery};
use weir_reactor::Buf;

/// Receives the body of a request whose head is known.
pub(crate) trait Source {
    /// The next piece of the body, or nothing at its end.
    async fn chunk(&mut self) -> Result<Option<Buf>, Broken>;

    /// Whether the next piece is there already.
    fn is_ready(&self) -> bool;

    /// Whether the body has been received whole.
    fn is_done(&self) -> bool;

    /// The trailers of a body that is done, as far as they may be passed on.
    async fn trailers(&mut self, head: &mut Head) -> Result<(), Broken>;

    /// The connection's receiving half where it is HTTP/1, whose long bodies need not enter user space.
    fn inflow(&mut self) -> Option<&mut Inflow> {
        None
    }

    /// What came after the request, for protocols that take the connection over.
    fn take_rest(&mut self) -> Option<Buf>;
}

/// Sends the answer to one request.
pub(crate) trait Sink {
    /// Sends an interim answer.
    async fn interim(&mut self, response: &Response) -> Result<(), Broken>;

    /// Begins the answer. What is small enough to leave together with the body may wait for it.
    fn head(&mut self, response: &Response, delivery: Delivery);

    /// Whether the answer has begun: after this nothing else can be said.
    fn has_begun(&self) -> bool;

    /// Takes an answer back of which nothing has left, as if it had not begun; whether that could be.
    fn take_back(&mut self) -> bool;

    /// Adds a piece of an answer of our own.
    fn write(&mut self, data: &[u8]);

    /// Sends a piece of the body; one that is small may wait if more is about to follow.
    async fn chunk(&mut self, data: Buf, more: bool) -> Result<(), Broken>;

    /// Sends what waits.
    async fn flush(&mut self) -> Result<(), Broken>;

    /// The connection's sending half where it is HTTP/1, for bodies that need not enter user space.
    fn outflow(&mut self) -> Option<&mut Outflow> {
        None
    }

    /// Ends the answer.
    async fn end(&mut self, trailers: Option<&Head>) -> Result<(), Broken>;

    /// The connection itself, for protocols that take it over after a 101; none where it is shared.
    fn stream(&self) -> Option<Rc<Stream>>;

    /// Ready when the client has given up on the answer. `unread` says that somebody still receives its request.
    fn poll_gone(&mut self, cx: &mut Context<'_>, unread: bool) -> Poll<()>;
}

/// Sends the body of a request whose head is on its way to an upstream.
pub(crate) trait Asking {
    /// Sends a piece of the body; one that is small may wait if more is about to follow.
    async fn chunk(&mut self, data: Buf, more: bool) -> Result<(), Broken>;

    /// Sends what waits.
    async fn flush(&mut self) -> Result<(), Broken>;

    /// Ends the request.
    async fn end(&mut self, trailers: Option<&Head>) -> Result<(), Broken>;
}

/// Receives an answer: its heads, and then its body as any [`Source`].
pub(crate) trait Answering: Source {
    /// The next head of the answer to a request of that method: interim ones first.
    async fn head(&mut self, method: Method, response: &mut Response) -> Result<(), Broken>;
}
