//! A connection as protocol crates see it: tokio's traits over the reactor's stream, with TLS in between if need be.
use crate::{stream::Stream, tls::Session};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use weir_reactor::{Buf, Duplex, put_sheet};

/// Bytes written in one go where the writer has more.
const WRITE_MAX: usize = 16 * 1024;

/// Both directions of one connection.
pub(crate) struct Pipe {
    duplex: Duplex,
    session: Option<Session>,
    /// Received, decrypted and not yet read.
    unread: Option<Buf>,
    /// How much of the session's ciphertext the transport has.
    passed: usize,
}

impl Pipe {
    /// Wraps a connection, with bytes that were read ahead of it.
    pub(crate) fn new(stream: Stream, early: Option<Buf>) -> Pipe {
        let (stream, session) = match stream {
            Stream::Plain(stream) => (stream, None),
            Stream::Tls(tls) => {
                let (stream, session) = tls.into_parts();
                (stream, Some(session))
            }
        };
        Pipe { duplex: Duplex::new(stream, None), session, unread: early, passed: 0 }
    }

    /// What is unread, or what comes next; nothing at the end.
    fn poll_news(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Buf>>> {
        if let Some(unread) = self.unread.take() {
            return Poll::Ready(Ok(Some(unread)));
        }
        loop {
            if let Some(taken) = self.session.as_mut().and_then(Session::take) {
                return Poll::Ready(taken);
            }
            let received = ready!(pin!(self.duplex.stream().recv()).poll(cx))?;
            let Some(session) = &mut self.session else { return Poll::Ready(Ok(received)) };
            match received {
                Some(news) => session.feed(news)?,
                None => session.lose(),
            }
        }
    }

    /// Hands the ciphertext that the session holds to the transport.
    fn poll_cipher(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(session) = &mut self.session else { return Poll::Ready(Ok(())) };
        let out = session.out();
        while let Some(rest) = out.get(self.passed..).filter(|rest| !rest.is_empty()) {
            self.passed += ready!(Pin::new(&mut self.duplex).poll_write(cx, rest))?;
        }
        self.passed = 0;
        put_sheet(std::mem::take(out));
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(mut news) = ready!(this.poll_news(cx))? {
            let taken = news.len().min(into.remaining());
            into.put_slice(news.get(..taken).unwrap_or_default());
            news.advance(taken);
            this.unread = Some(news).filter(|news| !news.is_empty());
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_cipher(cx))?;
        let Some(session) = &mut this.session else {
            return Pin::new(&mut this.duplex).poll_write(cx, data);
        };
        let piece = data.get(..WRITE_MAX).unwrap_or(data);
        session.write(piece)?;
        // What the transport does not take now leaves with the next write or flush.
        match this.poll_cipher(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(piece.len())),
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
            // Whoever has failed has said so in an alert.
            drop(session.say_farewell());
        }
        ready!(this.poll_cipher(cx))?;
        Pin::new(&mut this.duplex).poll_shutdown(cx)
    }
}
