//! The sending half of a stream, either side: small pieces together, and never more than the peer's window allows.
use super::{broken, head};
use crate::fault::Broken;
use bytes::Bytes;
use h2::{Reason, SendStream};
use std::future::poll_fn;
use std::task::{Context, Poll};
use weir_message::Head;

/// Pieces up to this size may wait for the next.
pub(super) const HOLD_MAX: usize = 4 * 1024;

/// Sends a body.
pub(super) struct Writer {
    stream: SendStream<Bytes>,
    /// The stream has carried its last frame.
    ended: bool,
    /// A piece that leaves with the next one or with the end.
    held: Vec<u8>,
}

impl Writer {
    /// Sends on a stream whose head has been sent; `ended` says that the head was all. What is held leaves first.
    pub(super) fn new(stream: SendStream<Bytes>, ended: bool, held: Vec<u8>) -> Writer {
        Writer { stream, ended, held }
    }

    /// Sends a piece, or keeps it when more is about to follow and it is small.
    pub(super) async fn chunk(&mut self, data: &[u8], more: bool) -> Result<(), Broken> {
        if self.ended {
            return Err(Broken::Gone);
        }
        self.held.extend_from_slice(data);
        if more && self.held.len() < HOLD_MAX { Ok(()) } else { self.flush().await }
    }

    /// Sends what waits.
    pub(super) async fn flush(&mut self) -> Result<(), Broken> {
        if self.ended || self.held.is_empty() { Ok(()) } else { self.send(false).await }
    }

    /// Ends the stream, with trailers or without.
    pub(super) async fn end(&mut self, trailers: Option<&Head>) -> Result<(), Broken> {
        if self.ended {
            return Ok(());
        }
        let Some(trailers) = trailers.and_then(head::fields) else { return self.send(true).await };
        self.flush().await?;
        self.ended = true;
        self.stream.send_trailers(trailers).map_err(|error| broken(&error))
    }

    /// Ends the stream so that the peer cannot take what it got for the whole.
    pub(super) fn reset(&mut self, reason: Reason) {
        self.stream.send_reset(reason);
    }

    /// Ready when the peer has reset the stream.
    pub(super) fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.stream.poll_reset(cx).map(drop)
    }

    /// Sends what is held, as the window allows.
    async fn send(&mut self, last: bool) -> Result<(), Broken> {
        let mut data = Bytes::from(std::mem::take(&mut self.held));
        loop {
            let room = if data.is_empty() { 0 } else { self.room(data.len()).await? };
            let piece = data.split_to(room);
            let end = last && data.is_empty();
            self.stream.send_data(piece, end).map_err(|error| broken(&error))?;
            self.ended |= end;
            if data.is_empty() {
                return Ok(());
            }
        }
    }

    /// Waits until some of so many bytes may be sent.
    async fn room(&mut self, wanted: usize) -> Result<usize, Broken> {
        self.stream.reserve_capacity(wanted);
        match poll_fn(|cx| self.stream.poll_capacity(cx)).await {
            Some(Ok(room)) => Ok(room.min(wanted)),
            Some(Err(error)) => Err(broken(&error)),
            None => Err(Broken::Gone),
        }
    }
}
