//! A connection as protocol crates see it: tokio's traits over the reactor's stream, with TLS in between if need be.
use crate::stream::Stream;
use rustls::Connection;
use std::io::{self, Read, Write};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use weir_reactor::{Buf, Duplex};

/// Bytes read in one go where the reader asks for more.
const READ_MAX: usize = 16 * 1024;

/// Both directions of one connection.
pub(crate) struct Pipe {
    duplex: Duplex,
    session: Option<Connection>,
    /// Received and not yet taken by the session or the reader.
    unread: Option<Buf>,
}

impl Pipe {
    /// Wraps a connection, with bytes that were read ahead of it.
    pub(crate) fn new(stream: Stream, early: Option<Buf>) -> Pipe {
        match stream {
            Stream::Plain(stream) => Pipe { duplex: Duplex::new(stream, None), session: None, unread: early },
            Stream::Tls(tls) => {
                let (stream, session, cipher) = tls.into_parts();
                Pipe { duplex: Duplex::new(stream, None), session: Some(session), unread: cipher }
            }
        }
    }

    /// What was received, or what comes next; nothing at the end.
    fn poll_news(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Buf>>> {
        match self.unread.take() {
            Some(news) => Poll::Ready(Ok(Some(news))),
            None => pin!(self.duplex.stream().recv()).poll(cx),
        }
    }

    fn poll_plain(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(mut news) = ready!(self.poll_news(cx))? {
            let taken = news.len().min(into.remaining());
            into.put_slice(news.get(..taken).unwrap_or_default());
            news.advance(taken);
            self.unread = Some(news).filter(|news| !news.is_empty());
        }
        Poll::Ready(Ok(()))
    }

    fn poll_decrypted(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let Some(session) = &mut self.session else { return self.poll_plain(cx, into) };
            match read_into(session, into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
            let news = ready!(self.poll_news(cx))?;
            let Some(session) = &mut self.session else { continue };
            match news {
                None => {
                    session.read_tls(&mut io::empty())?;
                }
                Some(mut news) => {
                    let taken = session.read_tls(&mut news.as_ref())?;
                    news.advance(taken);
                    self.unread = Some(news).filter(|news| !news.is_empty());
                }
            }
            let processed = session.process_new_packets();
            processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
    }

    /// Hands the ciphertext that the session holds to the transport.
    fn poll_cipher(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(session) = &mut self.session else { return Poll::Ready(Ok(())) };
        while session.wants_write() {
            let mut out = Out { duplex: &mut self.duplex, cx };
            match session.write_tls(&mut out) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn read_into(session: &mut Connection, into: &mut ReadBuf<'_>) -> io::Result<()> {
    let mut space = [0; READ_MAX];
    let room = into.remaining().min(READ_MAX);
    let count = session.reader().read(space.get_mut(..room).unwrap_or_default())?;
    into.put_slice(space.get(..count).unwrap_or_default());
    Ok(())
}

/// A transport that can be full, as the session wants to write to it.
struct Out<'a, 'c> {
    duplex: &'a mut Duplex,
    cx: &'a mut Context<'c>,
}

impl Write for Out<'_, '_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match Pin::new(&mut *self.duplex).poll_write(self.cx, data) {
            Poll::Ready(done) => done,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_decrypted(cx, into)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_cipher(cx))?;
        let Some(session) = &mut this.session else {
            return Pin::new(&mut this.duplex).poll_write(cx, data);
        };
        let written = session.writer().write(data.get(..READ_MAX).unwrap_or(data))?;
        // What the transport does not take now leaves with the next write or flush.
        match this.poll_cipher(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(written)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_cipher(cx))?;
        Pin::new(&mut this.duplex).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(session) = &mut this.session {
            session.send_close_notify();
        }
        ready!(this.poll_cipher(cx))?;
        Pin::new(&mut this.duplex).poll_shutdown(cx)
    }
}
