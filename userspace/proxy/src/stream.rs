//! The bytes of one connection, plain or through TLS. Both directions may be used at once.
use crate::tls::Tls;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};
use weir_reactor::{Buf, Owned};

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

    /// Sends two pieces, together where that is possible, and gives the first back.
    pub(crate) async fn send_pair(&self, first: Vec<u8>, second: Buf) -> (io::Result<()>, Vec<u8>) {
        match self {
            Stream::Plain(stream) => {
                let (sent, (first, _second)) = stream.send_vectored((first, second)).await;
                (sent, first)
            }
            Stream::Tls(tls) => (tls.send(&[&first, &second]).await, first),
        }
    }

    /// Tells the peer that nothing more will be sent.
    pub(crate) async fn shutdown(&self) -> io::Result<()> {
        match self {
            Stream::Plain(stream) => stream.shutdown().await,
            Stream::Tls(tls) => tls.shutdown().await,
        }
    }

    /// Makes the close abortive, so that the peer cannot take what it got for the whole.
    pub(crate) fn reset(&self) {
        let transport = match self {
            Stream::Plain(stream) => stream,
            Stream::Tls(tls) => tls.stream(),
        };
        // If the option is refused the connection is gone already.
        drop(transport.reset_on_close());
    }

    /// Whether an idle connection has nothing to say: no bytes, no end, no error. Asks no one but the reactor.
    pub(crate) async fn is_quiet(&self) -> bool {
        let mut recv = pin!(self.recv());
        poll_fn(|cx| Poll::Ready(recv.as_mut().poll(cx).is_pending())).await
    }
}
