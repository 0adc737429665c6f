//! A connection on the ring behind tokio's traits, which the h2 crate asks for.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_uring::net::TcpStream;

const SPACE: usize = 32 << 10;
/// So much may wait to be sent before a writer has to.
const UNSENT_MAX: usize = 64 << 10;

type Reading = Pin<Box<dyn Future<Output = (io::Result<usize>, Vec<u8>)>>>;
type Writing = Pin<Box<dyn Future<Output = (io::Result<()>, Vec<u8>)>>>;

/// A connection with at most one read and one write under way. What is written meanwhile is gathered.
pub(crate) struct Duplex {
    stream: Rc<TcpStream>,
    reading: Option<Reading>,
    read: Vec<u8>,
    taken: usize,
    filled: usize,
    writing: Option<Writing>,
    unsent: Vec<u8>,
    spare: Vec<u8>,
}

impl Duplex {
    /// `first` was read already.
    pub(crate) fn new(stream: Rc<TcpStream>, first: Vec<u8>) -> Self {
        let filled = first.len();
        Self {
            stream,
            reading: None,
            read: first,
            taken: 0,
            filled,
            writing: None,
            unsent: Vec::new(),
            spare: Vec::new(),
        }
    }

    fn poll_sent(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if let Some(writing) = &mut self.writing {
                let (result, mut buffer) = ready!(writing.as_mut().poll(context));
                self.writing = None;
                buffer.clear();
                self.spare = buffer;
                result?;
            }
            if self.unsent.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let bytes = std::mem::replace(&mut self.unsent, std::mem::take(&mut self.spare));
            let stream = Rc::clone(&self.stream);
            self.writing = Some(Box::pin(async move { stream.write_all(bytes).await }));
        }
    }
}

impl AsyncRead for Duplex {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.taken == self.filled {
            let stream = Rc::clone(&self.stream);
            let mut space = std::mem::take(&mut self.read);
            let reading = self.reading.get_or_insert_with(|| {
                space.reserve(SPACE.saturating_sub(space.capacity()));
                Box::pin(async move { stream.read(space).await })
            });
            let (read, space) = ready!(reading.as_mut().poll(context));
            self.reading = None;
            (self.read, self.taken, self.filled) = (space, 0, 0);
            self.filled = read?;
        }
        let (taken, filled) = (self.taken, self.filled.min(self.taken + out.remaining()));
        out.put_slice(self.read.get(taken..filled).unwrap_or_default());
        self.taken = filled;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Duplex {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.unsent.len() >= UNSENT_MAX {
            ready!(self.poll_sent(context))?;
        }
        self.unsent.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_sent(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_sent(context))?;
        Poll::Ready(self.stream.shutdown(std::net::Shutdown::Write))
    }
}
