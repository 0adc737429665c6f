//! The sending half of an HTTP/1 connection, either side: a head and the first of the body leave in one piece.
use crate::{fault::Broken, stream::Stream};
use std::future::poll_fn;
use std::rc::Rc;
use weir_message::{Framing, Head, chunk};
use weir_reactor::{Buf, put_sheet, take_sheet};

/// Pieces up to this size are copied behind what waits already; larger ones are sent from where they are.
const COPY_MAX: usize = 2 * 1024;
/// A buffer that has grown beyond this for one large head or answer is not kept.
const KEEP_MAX: usize = 16 * 1024;

/// Sends messages.
pub(crate) struct Outflow {
    stream: Rc<Stream>,
    /// Written and not sent.
    out: Vec<u8>,
    /// Where the message begins in it, as long as nothing of the message has left.
    begins: Option<usize>,
    framing: Framing,
    /// Bytes that a declared length still promises.
    owed: u64,
}

impl Outflow {
    pub(crate) fn new(stream: Rc<Stream>) -> Outflow {
        Outflow { stream, out: Vec::new(), begins: None, framing: Framing::Empty, owed: 0 }
    }

    /// Begins a message whose head `write` puts behind what waits. Nothing is sent yet.
    pub(crate) fn head(&mut self, framing: Framing, write: impl FnOnce(&mut Vec<u8>)) {
        self.framing = framing;
        self.owed = if let Framing::Length(length) = framing { length } else { 0 };
        self.begins = Some(self.out.len());
        write(self.out());
    }

    /// Forgets the message if nothing of it has left; whether that was so.
    pub(super) fn take_back(&mut self) -> bool {
        let Some(begins) = self.begins.take() else { return false };
        self.out.truncate(begins);
        (self.framing, self.owed) = (Framing::Empty, 0);
        true
    }

    /// The memory to write into. An idle connection has none.
    fn out(&mut self) -> &mut Vec<u8> {
        if self.out.capacity() == 0 {
            self.out = take_sheet();
        }
        &mut self.out
    }

    /// Adds bytes of the body that are not in a buffer of the pool. Nothing is sent yet.
    pub(crate) fn write(&mut self, data: &[u8]) {
        self.owed = self.owed.saturating_sub(data.len() as u64);
        match self.framing {
            Framing::Empty => {}
            Framing::Chunked => chunk::write_chunk(data, self.out()),
            Framing::Length(_) | Framing::UntilClose => self.out().extend_from_slice(data),
        }
    }

    /// Sends a piece of the body, or keeps it when more is about to follow and it is small.
    pub(crate) async fn chunk(&mut self, data: Buf, more: bool) -> Result<(), Broken> {
        if self.framing == Framing::Empty || data.is_empty() {
            return Ok(());
        }
        if data.len() <= COPY_MAX {
            self.write(&data);
            drop(data);
            if more && self.out.len() < KEEP_MAX {
                return Ok(());
            }
            return self.flush().await;
        }
        self.owed = self.owed.saturating_sub(data.len() as u64);
        if self.framing != Framing::Chunked {
            return self.post(Some(data)).await;
        }
        chunk::write_size(data.len(), self.out());
        self.post(Some(data)).await?;
        self.out().extend_from_slice(chunk::CHUNK_END);
        Ok(())
    }

    /// So much of the body went another way.
    pub(super) fn passed(&mut self, bytes: u64) {
        self.begins = None;
        self.owed = self.owed.saturating_sub(bytes);
    }

    /// Whether bytes of the body leave as they are.
    pub(super) fn is_bare(&self) -> bool {
        matches!(self.framing, Framing::Length(_) | Framing::UntilClose)
    }

    pub(super) fn stream(&self) -> &Rc<Stream> {
        &self.stream
    }

    /// Ends the message.
    pub(crate) async fn end(&mut self, trailers: Option<&Head>) -> Result<(), Broken> {
        if self.framing == Framing::Chunked {
            chunk::write_last(trailers, self.out());
        }
        self.flush().await
    }

    /// Whether the receiver sees by the message itself that something of it is missing.
    pub(super) fn declares_its_end(&self) -> bool {
        self.framing != Framing::UntilClose
    }

    /// Whether the message has all the bytes that its head declares, and all of them are sent.
    pub(crate) fn is_complete(&self) -> bool {
        self.owed == 0 && self.out.is_empty() && !self.stream.has_posted()
    }

    /// Sends what waits, without waiting for that: what comes next does.
    pub(crate) async fn flush(&mut self) -> Result<(), Broken> {
        if self.out.is_empty() { Ok(()) } else { self.post(None).await }
    }

    /// Waits until everything is sent.
    pub(crate) async fn settle(&mut self) -> Result<(), Broken> {
        self.flush().await?;
        Ok(poll_fn(|cx| self.stream.poll_posted(cx)).await?)
    }

    /// Sends what waits and then the data, in one operation if the stream can.
    async fn post(&mut self, data: Option<Buf>) -> Result<(), Broken> {
        poll_fn(|cx| self.stream.poll_posted(cx)).await?;
        self.begins = None;
        Ok(self.stream.post(std::mem::take(&mut self.out), data)?)
    }
}

impl Drop for Outflow {
    fn drop(&mut self) {
        if self.out.capacity() > 0 {
            put_sheet(std::mem::take(&mut self.out));
        }
    }
}
