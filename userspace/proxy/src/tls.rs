//! TLS on a stream, either side: handshake, then bytes in and out.
//!
//! Only the sending direction writes to the wire. What the receiving direction has to say (the answer to a key
//! update) waits in the session and leaves before the next data, which is the order the protocol asks for.
use crate::line::Secured;
use rustls::{
    ClientConfig, ClientConnection, Connection, HandshakeKind, ProtocolVersion, ServerConfig,
    ServerConnection, pki_types::ServerName,
};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, BufRead, Write};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use weir_meter::TlsVersion;
use weir_plan::tls::{Bearer, Told};
use weir_reactor::{Buf, Stream, take_sheet};

/// What has come from a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Plaintext.
    Data,
    /// The farewell of the peer.
    End,
    /// The end without one, or a failure.
    Lost,
}

/// A TLS session on a stream.
pub(crate) struct Tls {
    stream: Stream,
    session: RefCell<Connection>,
    /// Received and not yet taken by the session.
    cipher_in: Cell<Option<Buf>>,
}

impl Tls {
    /// The side of a server, which [`Tls::handshake`] makes usable. `early` is what was received already.
    pub(crate) fn server(stream: Stream, config: Arc<ServerConfig>, early: Option<Buf>) -> io::Result<Tls> {
        let session = ServerConnection::new(config).map_err(io::Error::other)?;
        Ok(Tls::new(stream, session.into(), early))
    }

    /// Shakes hands as a client.
    pub(crate) async fn connect(
        stream: Stream,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> io::Result<Tls> {
        let session = ClientConnection::new(config, name).map_err(io::Error::other)?;
        let tls = Tls::new(stream, session.into(), None);
        tls.handshake().await?;
        Ok(tls)
    }

    fn new(stream: Stream, mut session: Connection, early: Option<Buf>) -> Tls {
        session.set_buffer_limit(None);
        Tls { stream, session: RefCell::new(session), cipher_in: Cell::new(early) }
    }

    /// Shakes hands, to the end or to the failure that is returned.
    pub(crate) async fn handshake(&self) -> io::Result<()> {
        loop {
            self.flush().await?;
            if !self.session.borrow().is_handshaking() {
                return Ok(());
            }
            if !self.feed().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Whether both sides agreed on HTTP/2.
    pub(crate) fn is_h2(&self) -> bool {
        self.session.borrow().alpn_protocol() == Some(b"h2")
    }

    /// The transport, the session, and ciphertext that the session has not seen.
    pub(crate) fn into_parts(self) -> (Stream, Connection, Option<Buf>) {
        (self.stream, self.session.into_inner(), self.cipher_in.into_inner())
    }

    /// The server name that the client asked for, as soon as its hello is here.
    pub(crate) fn server_name(&self) -> Option<Box<str>> {
        match &*self.session.borrow() {
            Connection::Server(session) => session.server_name().map(Into::into),
            Connection::Client(_) => None,
        }
    }

    /// Who the client is by the certificate it has shown, which was verified; in a session that goes on, by the one it had
    /// shown then.
    pub(crate) fn bearer(&self, told: Told) -> Option<Bearer> {
        Bearer::parse(self.session.borrow().peer_certificates()?, told)
    }

    /// What both sides agreed on.
    pub(crate) fn secured(&self) -> Option<Secured> {
        let session = self.session.borrow();
        let version = match session.protocol_version()? {
            ProtocolVersion::TLSv1_2 => TlsVersion::Tls12,
            _ => TlsVersion::Tls13,
        };
        Some(Secured {
            version,
            cipher: session.negotiated_cipher_suite()?.suite().as_str()?,
            resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
        })
    }

    /// The transport below.
    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Waits for decrypted bytes; none when the peer said that it has finished. An end without that is an error.
    pub(crate) async fn recv(&self) -> io::Result<Option<Buf>> {
        loop {
            match self.decrypted() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                decided => return decided,
            }
            self.feed().await?;
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
        pieces.iter().try_for_each(|piece| session.writer().write_all(piece))
    }

    /// Sends all ciphertext that the session holds, without waiting for it.
    pub(crate) fn post(&self) -> io::Result<()> {
        let mut session = self.session.borrow_mut();
        if !session.wants_write() {
            return Ok(());
        }
        let mut out = take_sheet();
        while session.wants_write() {
            session.write_tls(&mut out)?;
        }
        self.stream.post(out, None)
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn shutdown(&self) -> io::Result<()> {
        self.session.borrow_mut().send_close_notify();
        self.flush().await?;
        self.stream.shutdown().await
    }

    /// Plaintext that is there already, in a buffer of the pool.
    fn decrypted(&self) -> io::Result<Option<Buf>> {
        let mut session = self.session.borrow_mut();
        let mut reader = session.reader();
        let plain = reader.fill_buf()?;
        if plain.is_empty() {
            return Ok(None);
        }
        let mut buf = Buf::take().ok_or(io::ErrorKind::OutOfMemory)?;
        let taken = buf.append(plain);
        reader.consume(taken);
        while buf.room() > 0 {
            let Ok(more) = reader.fill_buf() else { break };
            let taken = buf.append(more);
            if taken == 0 {
                break;
            }
            reader.consume(taken);
        }
        Ok(Some(buf))
    }

    /// Gives the session more ciphertext. False at the end of the transport, which the session was told.
    async fn feed(&self) -> io::Result<bool> {
        let news = match self.cipher_in.take() {
            Some(news) => Some(news),
            None => self.stream.recv().await?,
        };
        let Some(mut news) = news else {
            self.session.borrow_mut().read_tls(&mut io::empty())?;
            return Ok(false);
        };
        let processed = self.process(&mut news);
        if !news.is_empty() {
            self.cipher_in.set(Some(news));
        }
        match processed {
            Ok(()) => Ok(true),
            Err(error) => {
                // The alert that says why is worth an attempt.
                self.flush().await?;
                Err(error)
            }
        }
    }

    /// Ready when the peer has gone away; its farewell is that only if `end_counts`. Only while nobody receives.
    pub(crate) fn poll_gone(&self, cx: &mut Context<'_>, end_counts: bool) -> Poll<()> {
        match self.poll_news(cx) {
            Poll::Ready(News::Lost) => Poll::Ready(()),
            Poll::Ready(News::End) if end_counts => Poll::Ready(()),
            Poll::Ready(News::Data | News::End) | Poll::Pending => Poll::Pending,
        }
    }

    /// Waits for plaintext or the end, without a future that has to be kept. What comes is decrypted up to the first
    /// bytes of plaintext, which wait for the next receive, as does an error.
    pub(crate) fn poll_news(&self, cx: &mut Context<'_>) -> Poll<News> {
        loop {
            match self.session.borrow_mut().reader().fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(plain) if !plain.is_empty() => return Poll::Ready(News::Data),
                Ok(_) => return Poll::Ready(News::End),
                Err(_) => return Poll::Ready(News::Lost),
            }
            let mut news = match self.cipher_in.take() {
                Some(news) => news,
                None => match pin!(self.stream.recv()).poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(Some(news))) => news,
                    Poll::Ready(Ok(None) | Err(_)) => return Poll::Ready(News::Lost),
                },
            };
            if self.process(&mut news).is_err() {
                return Poll::Ready(News::Lost);
            }
            if !news.is_empty() {
                self.cipher_in.set(Some(news));
            }
        }
    }

    fn process(&self, news: &mut Buf) -> io::Result<()> {
        let mut session = self.session.borrow_mut();
        let taken = session.read_tls(&mut news.as_ref())?;
        news.advance(taken);
        session.process_new_packets().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(())
    }

    /// Sends all ciphertext that the session holds, once what was sent before is gone.
    async fn flush(&self) -> io::Result<()> {
        if !self.session.borrow().wants_write() {
            return Ok(());
        }
        poll_fn(|cx| self.stream.poll_posted(cx)).await?;
        self.post()
    }
}
