//! TLS on a stream, either side: handshake, then bytes in and out.
//!
//! Only the sending direction writes to the wire. What the receiving direction has to say (the answer to a key
//! update) waits in the session and leaves before the next data, which is the order the protocol asks for.
mod session;

use crate::line::Secured;
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion, ServerConfig, pki_types::ServerName};
pub(crate) use session::{News, Session};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use weir_meter::TlsVersion;
use weir_plan::tls::{Bearer, Told};
use weir_reactor::{Buf, Stream, put_sheet};

/// A TLS session on a stream.
pub(crate) struct Tls {
    stream: Stream,
    session: RefCell<Session>,
}

impl Tls {
    /// The side of a server, which [`Tls::handshake`] makes usable.
    pub(crate) fn server(stream: Stream, config: Arc<ServerConfig>) -> io::Result<Tls> {
        Ok(Tls { stream, session: RefCell::new(Session::server(config)?) })
    }

    /// Shakes hands as a client.
    pub(crate) async fn connect(
        stream: Stream,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> io::Result<Tls> {
        let tls = Tls { stream, session: RefCell::new(Session::client(config, name)?) };
        tls.handshake(None).await?;
        Ok(tls)
    }

    /// Shakes hands, to the end or to the failure that is returned. `early` is what was received already.
    pub(crate) async fn handshake(&self, mut early: Option<Buf>) -> io::Result<()> {
        loop {
            self.flush().await?;
            if !self.session.borrow().terms().is_handshaking() {
                return Ok(());
            }
            let news = match early.take() {
                None => self.stream.recv().await?,
                early => early,
            };
            self.feed(news.ok_or(io::ErrorKind::UnexpectedEof)?).await?;
        }
    }

    /// Whether both sides agreed on HTTP/2.
    pub(crate) fn is_h2(&self) -> bool {
        self.session.borrow().terms().alpn_protocol() == Some(b"h2")
    }

    /// The transport and the session.
    pub(crate) fn into_parts(self) -> (Stream, Session) {
        (self.stream, self.session.into_inner())
    }

    /// The server name that the client asked for, as soon as its hello is here.
    pub(crate) fn server_name(&self) -> Option<Box<str>> {
        self.session.borrow().server_name().map(Into::into)
    }

    /// Who the client is by the certificate it has shown, which was verified; in a session that goes on, by the one it had
    /// shown then.
    pub(crate) fn bearer(&self, told: Told) -> Option<Bearer> {
        Bearer::parse(self.session.borrow().terms().peer_certificates()?, told)
    }

    /// What both sides agreed on.
    pub(crate) fn secured(&self) -> Option<Secured> {
        let session = self.session.borrow();
        let terms = session.terms();
        let version = match terms.protocol_version()? {
            ProtocolVersion::TLSv1_2 => TlsVersion::Tls12,
            _ => TlsVersion::Tls13,
        };
        Some(Secured {
            version,
            cipher: terms.negotiated_cipher_suite()?.suite().as_str()?,
            resumed: terms.handshake_kind() == Some(HandshakeKind::Resumed),
        })
    }

    /// The transport below.
    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Waits for decrypted bytes; none when the peer said that it has finished. An end without that is an error.
    pub(crate) async fn recv(&self) -> io::Result<Option<Buf>> {
        loop {
            let taken = self.session.borrow_mut().take();
            if let Some(taken) = taken {
                return taken;
            }
            match self.stream.recv().await? {
                Some(news) => self.feed(news).await?,
                None => self.session.borrow_mut().lose(),
            }
        }
    }

    /// Sends the pieces one after the other, once what was sent before is gone.
    pub(crate) async fn send(&self, pieces: &[&[u8]]) -> io::Result<()> {
        poll_fn(|cx| self.stream.poll_posted(cx)).await?;
        self.write(pieces)?;
        self.post()
    }

    /// Encrypts the pieces.
    pub(crate) fn write(&self, pieces: &[&[u8]]) -> io::Result<()> {
        let mut session = self.session.borrow_mut();
        pieces.iter().filter(|piece| !piece.is_empty()).try_for_each(|piece| session.write(piece))
    }

    /// Sends all ciphertext that the session holds, without waiting for it.
    pub(crate) fn post(&self) -> io::Result<()> {
        let out = std::mem::take(self.session.borrow_mut().out());
        if out.is_empty() {
            put_sheet(out);
            return Ok(());
        }
        self.stream.post(out, None)
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn shutdown(&self) -> io::Result<()> {
        // Whoever has failed has said so in an alert.
        drop(self.session.borrow_mut().say_farewell());
        self.flush().await?;
        self.stream.shutdown().await
    }

    /// Gives the session more ciphertext. The alert that tells of a failure is worth an attempt.
    async fn feed(&self, news: Buf) -> io::Result<()> {
        let fed = self.session.borrow_mut().feed(news);
        if fed.is_err() {
            self.flush().await?;
        }
        fed
    }

    /// Ready when the peer has gone away; its farewell is that only if `end_counts`. Only while nobody receives.
    pub(crate) fn poll_gone(&self, cx: &mut Context<'_>, end_counts: bool) -> Poll<()> {
        match self.poll_news(cx) {
            Poll::Ready(News::Lost) => Poll::Ready(()),
            Poll::Ready(News::End) if end_counts => Poll::Ready(()),
            Poll::Ready(News::Data | News::End) | Poll::Pending => Poll::Pending,
        }
    }

    /// Waits for plaintext or the end, without a future that has to be kept. What comes is decrypted and waits for the next
    /// receive, as does an error.
    pub(crate) fn poll_news(&self, cx: &mut Context<'_>) -> Poll<News> {
        loop {
            if let Some(news) = self.session.borrow().news() {
                return Poll::Ready(news);
            }
            let received = ready!(pin!(self.stream.recv()).poll(cx));
            let mut session = self.session.borrow_mut();
            // A session that has failed is lost from then on.
            match received {
                Ok(Some(news)) => drop(session.feed(news)),
                Ok(None) => session.lose(),
                Err(_) => return Poll::Ready(News::Lost),
            }
        }
    }

    /// Sends all ciphertext that the session holds, once what was sent before is gone.
    async fn flush(&self) -> io::Result<()> {
        if self.session.borrow_mut().out().is_empty() {
            return Ok(());
        }
        poll_fn(|cx| self.stream.poll_posted(cx)).await?;
        self.post()
    }
}
