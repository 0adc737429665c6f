//! The sending half of an HTTP/1 connection, either side: a head and the first of the body leave in one piece.
use crate::{fault::Broken, stream::Stream};
use std::rc::Rc;
use weir_message::{Framing, Head, chunk};
use weir_reactor::Buf;

/// Pieces up to this size are copied behind what waits already; larger ones are sent from where they are.
const COPY_MAX: usize = 2 * 1024;
/// A buffer that has grown beyond this for one large head or answer is not kept.
const KEEP_MAX: usize = 16 * 1024;

/// Sends messages.
pub(crate) struct Outflow {
    stream: Rc<Stream>,
    /// Written and not sent. Lent to the send while it runs.
    out: Vec<u8>,
    framing: Framing,
    /// Bytes that a declared length still promises.
    owed: u64,
}

impl Outflow {
    pub(crate) fn new(stream: Rc<Stream>) -> Outflow {
        Outflow { stream, out: Vec::new(), framing: Framing::Empty, owed: 0 }
    }

    /// Takes memory to write into.
    pub(crate) fn lend(&mut self, memory: Vec<u8>) {
        if self.out.is_empty() {
            self.out = memory;
        }
    }

    /// Gives the memory back; what was not sent will never be.
    pub(crate) fn take_back(&mut self) -> Vec<u8> {
        let mut memory = std::mem::take(&mut self.out);
        memory.clear();
        memory
    }

    /// Begins a message whose head `write` puts behind what waits. Nothing is sent yet.
    pub(crate) fn head(&mut self, framing: Framing, write: impl FnOnce(&mut Vec<u8>)) {
        self.framing = framing;
        self.owed = if let Framing::Length(length) = framing { length } else { 0 };
        write(&mut self.out);
    }

    /// Adds bytes of the body that are not in a buffer of the pool. Nothing is sent yet.
    pub(crate) fn write(&mut self, data: &[u8]) {
        self.owed = self.owed.saturating_sub(data.len() as u64);
        match self.framing {
            Framing::Empty => {}
            Framing::Chunked => chunk::write_chunk(data, &mut self.out),
            Framing::Length(_) | Framing::UntilClose => self.out.extend_from_slice(data),
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
            return self.send_behind(data).await;
        }
        chunk::write_size(data.len(), &mut self.out);
        self.send_behind(data).await?;
        self.out.extend_from_slice(chunk::CHUNK_END);
        Ok(())
    }

    /// So much of the body went another way.
    pub(super) fn passed(&mut self, bytes: u64) {
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
            chunk::write_last(trailers, &mut self.out);
        }
        self.flush().await
    }

    /// Whether the message has all the bytes that its head declares.
    pub(crate) fn is_complete(&self) -> bool {
        self.owed == 0
    }

    /// Sends what waits.
    pub(crate) async fn flush(&mut self) -> Result<(), Broken> {
        if self.out.is_empty() {
            return Ok(());
        }
        let (sent, out) = self.stream.send(std::mem::take(&mut self.out)).await;
        self.put_back(out);
        Ok(sent?)
    }

    /// Sends what waits and then the data, in one operation if the stream can.
    async fn send_behind(&mut self, data: Buf) -> Result<(), Broken> {
        if self.out.is_empty() {
            let (sent, _data) = self.stream.send(data).await;
            return Ok(sent?);
        }
        let (sent, out) = self.stream.send_pair(std::mem::take(&mut self.out), data).await;
        self.put_back(out);
        Ok(sent?)
    }

    fn put_back(&mut self, mut out: Vec<u8>) {
        out.clear();
        if out.capacity() <= KEEP_MAX {
            self.out = out;
        }
    }
}
