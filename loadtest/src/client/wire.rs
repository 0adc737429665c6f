//! A connection as bytes: in the clear or through TLS.

use super::duplex::Duplex;
use super::tls::Trust;
use crate::measure::Fault;
use bytes::Bytes;
use rustls::{ClientConnection, HandshakeKind};
use std::io::{Read, Write};
use std::ops::Range;
use std::rc::Rc;
use tokio_uring::net::TcpStream;

/// Read at most so much at once.
const SPACE: usize = 64 << 10;

/// A connection.
pub(crate) struct Wire {
    stream: TcpStream,
    session: Option<Box<ClientConnection>>,
    /// Where reads go; away while one is under way.
    space: Vec<u8>,
    /// What of it the session has not taken yet.
    rest: Range<usize>,
    plain: Vec<u8>,
}

impl Wire {
    pub(crate) fn plain(stream: TcpStream) -> Self {
        Self { stream, session: None, space: Vec::with_capacity(SPACE), rest: 0..0, plain: Vec::new() }
    }

    /// Shakes hands.
    pub(crate) async fn secure(stream: TcpStream, trust: &Trust) -> Result<Self, Fault> {
        let session = trust.session().map_err(|_| Fault::Handshake)?;
        let mut wire = Self::plain(stream);
        wire.plain = vec![0; SPACE];
        wire.session = Some(Box::new(session));
        while wire.session.as_ref().is_some_and(|session| session.is_handshaking()) {
            wire.flush().await.map_err(|_| Fault::Handshake)?;
            if wire.session.as_ref().is_some_and(|session| session.is_handshaking()) {
                wire.fill().await.map_err(|_| Fault::Handshake)?;
            }
        }
        Ok(wire)
    }

    /// The first half of a handshake.
    pub(crate) async fn greet(stream: TcpStream, trust: &Trust) -> Result<(), Fault> {
        let mut wire = Self::plain(stream);
        wire.session = Some(Box::new(trust.session().map_err(|_| Fault::Handshake)?));
        wire.flush().await?;
        let (read, _) = wire.stream.read(std::mem::take(&mut wire.space)).await;
        read.map(|_| ()).map_err(|_| Fault::Closed)
    }

    /// Sends all of it, in the clear.
    pub(crate) async fn send(&mut self, bytes: Bytes) -> Result<(), Fault> {
        self.stream.write_all(bytes).await.0.map_err(|_| Fault::Closed)
    }

    /// The connection behind tokio's traits; only in the clear.
    pub(crate) fn into_duplex(self) -> Result<Duplex, Fault> {
        if self.session.is_some() {
            Err(Fault::Protocol)
        } else {
            Ok(Duplex::new(Rc::new(self.stream), Vec::new()))
        }
    }

    /// How hands were shaken, with TLS.
    pub(crate) fn handshake(&self) -> Option<HandshakeKind> {
        self.session.as_ref()?.handshake_kind()
    }

    /// Sends `first` and `second`, and returns the first bytes that come back; empty at the end of the stream.
    pub(crate) async fn ask(&mut self, first: Bytes, second: &Bytes) -> Result<&[u8], Fault> {
        if self.session.is_some() {
            self.send_secure(&first).await?;
            self.send_secure(second).await?;
            return self.recv().await;
        }
        if second.is_empty() {
            return self.ask_together(first).await;
        }
        // The server may answer before it has read everything; then both directions must move.
        let space = std::mem::take(&mut self.space);
        let stream = &self.stream;
        let send = async {
            stream.write_all(first).await.0?;
            stream.write_all(second.clone()).await.0
        };
        let (sent, (read, space)) = tokio::join!(send, stream.read(space));
        self.space = space;
        sent.map_err(|_| Fault::Closed)?;
        self.space.get(..read.map_err(|_| Fault::Closed)?).ok_or(Fault::Closed)
    }

    /// Both operations go to the kernel in one call, and one completion wakes us.
    async fn ask_together(&mut self, request: Bytes) -> Result<&[u8], Fault> {
        let length = request.len();
        let sending = self.stream.write(request.clone()).submit();
        let (read, space) = self.stream.read(std::mem::take(&mut self.space)).await;
        self.space = space;
        let read = read.map_err(|_| Fault::Closed)?;
        let sent = sending.await.0.map_err(|_| Fault::Closed)?;
        if sent < length && read > 0 {
            return Err(Fault::Protocol); // an answer to half a request
        }
        self.space.get(..read).ok_or(Fault::Closed)
    }

    /// The next bytes; empty at the end of the stream.
    pub(crate) async fn recv(&mut self) -> Result<&[u8], Fault> {
        if self.session.is_some() {
            return self.recv_secure().await;
        }
        let (read, space) = self.stream.read(std::mem::take(&mut self.space)).await;
        self.space = space;
        self.space.get(..read.map_err(|_| Fault::Closed)?).ok_or(Fault::Closed)
    }

    async fn send_secure(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        // The session holds back what is above its limit, so long bodies go in parts.
        for part in bytes.chunks(SPACE / 2) {
            let Some(session) = &mut self.session else { return Err(Fault::Protocol) };
            session.writer().write_all(part).map_err(|_| Fault::Protocol)?;
            self.flush().await?;
        }
        Ok(())
    }

    async fn recv_secure(&mut self) -> Result<&[u8], Fault> {
        loop {
            let Some(session) = &mut self.session else { return Err(Fault::Protocol) };
            match session.reader().read(&mut self.plain) {
                Ok(read) => return self.plain.get(..read).ok_or(Fault::Protocol),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(Fault::Closed),
            }
            self.flush().await?;
            self.fill().await?;
        }
    }

    /// Sends what the session has to say.
    async fn flush(&mut self) -> Result<(), Fault> {
        let Some(session) = &mut self.session else { return Ok(()) };
        let mut out = Vec::new();
        while session.wants_write() {
            session.write_tls(&mut out).map_err(|_| Fault::Protocol)?;
        }
        if out.is_empty() {
            return Ok(());
        }
        self.stream.write_all(out).await.0.map_err(|_| Fault::Closed)
    }

    /// Gives the session what comes from the peer.
    async fn fill(&mut self) -> Result<(), Fault> {
        if self.rest.is_empty() {
            let (read, space) = self.stream.read(std::mem::take(&mut self.space)).await;
            self.space = space;
            self.rest = 0..read.map_err(|_| Fault::Closed)?;
            if self.rest.is_empty() {
                let Some(session) = &mut self.session else { return Err(Fault::Protocol) };
                session.read_tls(&mut std::io::empty()).map_err(|_| Fault::Closed)?; // the end, which it must know
            }
        }
        self.feed()
    }

    /// Hands the session what was read, as far as it takes it: what was decrypted and not fetched holds up the rest.
    fn feed(&mut self) -> Result<(), Fault> {
        let Some(session) = &mut self.session else { return Err(Fault::Protocol) };
        let mut bytes = self.space.get(self.rest.clone()).unwrap_or_default();
        while !bytes.is_empty() && session.wants_read() {
            session.read_tls(&mut bytes).map_err(|_| Fault::Protocol)?;
            session.process_new_packets().map_err(|_| Fault::Handshake)?;
        }
        self.rest.start = self.rest.end - bytes.len();
        Ok(())
    }
}
