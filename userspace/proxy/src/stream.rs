//! The bytes of one connection, plain or through TLS. Both directions may be used at once.
use crate::tls::Tls;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};
use weir_reactor::{Buf, Owned, put_sheet};

/// A connection as the protocols above see it.
pub(crate) enum Stream {
    /// As it is on the wire.
    Plain(weir_reactor::Stream),
    /// Decrypted.
    Tls(Box<Tls>),
}

impl Stream {
    /// Waits for bytes; none at the end of the stream.
    pub(crate) async fn recv(&self) -> io::Result<Option<Buf>> {
        match self {
            Stream::Plain(stream) => stream.recv().await,
            Stream::Tls(tls) => tls.recv().await,
        }
    }

    /// Ready when the peer has gone away, while nobody receives. What it sends meanwhile stays to be received. Who has
    /// said in good order that nothing more will come may still be reading, and is gone only if `end_counts`.
    pub(crate) fn poll_gone(&self, cx: &mut Context<'_>, end_counts: bool) -> Poll<()> {
        match self {
            Stream::Plain(stream) if end_counts => stream.poll_end(cx),
            Stream::Plain(stream) => stream.poll_lost(cx),
            Stream::Tls(tls) => tls.poll_gone(cx, end_counts),
        }
    }

    /// Ready once a receive will not have to wait.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Stream::Plain(stream) => stream.poll_readable(cx),
            Stream::Tls(tls) => tls.poll_news(cx).map(drop),
        }
    }

    /// Sends all of the data and gives it back.
    pub(crate) async fn send<B: Owned>(&self, data: B) -> (io::Result<()>, B) {
        match self {
            Stream::Plain(stream) => stream.send(data).await,
            Stream::Tls(tls) => (tls.send(&[data.bytes()]).await, data),
        }
    }

    /// Sends what a sheet holds and then the data, without waiting for it. Only while nothing posted is on its way.
    pub(crate) fn post(&self, sheet: Vec<u8>, data: Option<Buf>) -> io::Result<()> {
        match self {
            Stream::Plain(stream) => stream.post(sheet, data),
            Stream::Tls(tls) => {
                let written = tls.write(&[&sheet, data.as_deref().unwrap_or_default()]);
                put_sheet(sheet);
                written.and_then(|()| tls.post())
            }
        }
    }

    /// Ready once nothing posted is on its way; an error if it could not be sent.
    pub(crate) fn poll_posted(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport().poll_posted(cx)
    }

    /// Whether something posted is on its way, or could not be sent.
    pub(crate) fn has_posted(&self) -> bool {
        self.transport().has_posted()
    }

    /// Tells the peer that nothing more will be sent.
    pub(crate) async fn shutdown(&self) -> io::Result<()> {
        match self {
            Stream::Plain(stream) => stream.shutdown().await,
            Stream::Tls(tls) => tls.shutdown().await,
        }
    }

    /// The local address, where it is one of IP.
    pub(crate) fn local(&self) -> Option<SocketAddr> {
        self.transport().local().ok()
    }

    /// Makes the close abortive, so that the peer cannot take what it got for the whole.
    pub(crate) fn reset(&self) {
        // If the option is refused the connection is gone already.
        drop(self.transport().reset_on_close());
    }

    /// Whether an idle connection has something to say: bytes, an end, an error. Asks no one but the reactor.
    pub(crate) fn has_news(&self) -> bool {
        self.poll_readable(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    /// What is below, encrypted or not.
    fn transport(&self) -> &weir_reactor::Stream {
        match self {
            Stream::Plain(stream) => stream,
            Stream::Tls(tls) => tls.stream(),
        }
    }
}
