//! The two halves of one stream of a client.
use super::head;
use crate::{
    fault::Broken,
    half::{Sink, Source},
    stream::Stream,
};
use bytes::{Buf as _, Bytes};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use weir_message::{Framing, Head, Response, h1::Delivery};
use weir_reactor::{Buf, sleep};

/// How long a stream rests when every buffer of the worker is in use.
const SHORTAGE: Duration = Duration::from_millis(1);

/// Receives the body of a request.
pub(super) struct Receiver {
    body: RecvStream,
    /// Received, its window not yet given back.
    data: Bytes,
    done: bool,
}

impl Receiver {
    pub(super) fn new(body: RecvStream) -> Receiver {
        let done = body.is_end_stream();
        Receiver { body, data: Bytes::new(), done }
    }
}

impl Source for Receiver {
    async fn chunk(&mut self) -> Result<Option<Buf>, Broken> {
        while self.data.is_empty() {
            if self.done {
                return Ok(None);
            }
            match poll_fn(|cx| self.body.poll_data(cx)).await {
                Some(Ok(data)) => self.data = data,
                Some(Err(_)) => return Err(Broken::Gone),
                None => self.done = true,
            }
        }
        let mut buf = loop {
            match Buf::take() {
                Some(buf) => break buf,
                None => sleep(SHORTAGE).await,
            }
        };
        let taken = buf.append(&self.data);
        self.data.advance(taken);
        self.body.flow_control().release_capacity(taken).map_err(|_| Broken::Gone)?;
        self.done |= self.data.is_empty() && self.body.is_end_stream();
        Ok(Some(buf))
    }

    fn is_ready(&self) -> bool {
        self.done || !self.data.is_empty()
    }

    fn is_done(&self) -> bool {
        self.done && self.data.is_empty()
    }

    async fn trailers(&mut self, into: &mut Head) -> Result<(), Broken> {
        into.clear();
        match poll_fn(|cx| self.body.poll_trailers(cx)).await {
            Ok(Some(trailers)) => Ok(head::trailers(&trailers, into)?),
            Ok(None) => Ok(()),
            Err(_) => Err(Broken::Gone),
        }
    }

    fn take_rest(&mut self) -> Option<Buf> {
        None
    }
}

/// Sends the answer.
pub(super) struct Sender {
    respond: SendResponse<Bytes>,
    stream: Option<SendStream<Bytes>>,
    begun: bool,
    /// The stream has carried its last frame.
    ended: bool,
    /// A piece that leaves with the next one or with the end.
    held: Vec<u8>,
    framing: Framing,
}

/// Pieces up to this size may wait for the next.
const HOLD_MAX: usize = 4 * 1024;

impl Sender {
    pub(super) fn new(respond: SendResponse<Bytes>) -> Sender {
        Sender {
            respond,
            stream: None,
            begun: false,
            ended: false,
            held: Vec::new(),
            framing: Framing::Empty,
        }
    }

    /// Ends the stream so that the client cannot take what it got for the whole.
    pub(super) fn reset(&mut self) {
        match &mut self.stream {
            Some(stream) => stream.send_reset(Reason::INTERNAL_ERROR),
            None => self.respond.send_reset(Reason::INTERNAL_ERROR),
        }
    }

    /// Sends data as the client's window allows.
    async fn send(&mut self, mut data: Bytes, last: bool) -> Result<(), Broken> {
        let Some(stream) = &mut self.stream else { return Err(Broken::Gone) };
        while !data.is_empty() {
            stream.reserve_capacity(data.len());
            let room = match poll_fn(|cx| stream.poll_capacity(cx)).await {
                Some(Ok(room)) => room.min(data.len()),
                _ => return Err(Broken::Gone),
            };
            let piece = data.split_to(room);
            let end = last && data.is_empty();
            stream.send_data(piece, end).map_err(|_| Broken::Gone)?;
            if end {
                self.ended = true;
                return Ok(());
            }
        }
        if last {
            stream.send_data(Bytes::new(), true).map_err(|_| Broken::Gone)?;
            self.ended = true;
        }
        Ok(())
    }

    async fn send_held(&mut self, last: bool) -> Result<(), Broken> {
        if self.ended || (self.held.is_empty() && !last) {
            return Ok(());
        }
        let held = Bytes::from(std::mem::take(&mut self.held));
        self.send(held, last).await
    }
}

impl Sink for Sender {
    async fn interim(&mut self, response: &Response) -> Result<(), Broken> {
        let answer = head::write(response).ok_or(Broken::Gone)?;
        self.respond.send_informational(answer).map_err(|_| Broken::Gone)
    }

    fn head(&mut self, response: &Response, delivery: Delivery) {
        self.begun = true;
        self.framing = delivery.framing;
        let ended = delivery.framing.is_empty();
        let sent = head::write(response).and_then(|answer| self.respond.send_response(answer, ended).ok());
        self.ended = ended || sent.is_none();
        self.stream = sent;
    }

    fn has_begun(&self) -> bool {
        self.begun
    }

    fn write(&mut self, data: &[u8]) {
        if !self.ended {
            self.held.extend_from_slice(data);
        }
    }

    async fn chunk(&mut self, data: Buf, more: bool) -> Result<(), Broken> {
        if self.framing.is_empty() {
            return Ok(());
        }
        if self.ended {
            return Err(Broken::Gone);
        }
        self.held.extend_from_slice(&data);
        drop(data);
        if more && self.held.len() < HOLD_MAX {
            return Ok(());
        }
        self.send_held(false).await
    }

    async fn flush(&mut self) -> Result<(), Broken> {
        self.send_held(false).await
    }

    async fn end(&mut self, trailers: Option<&Head>) -> Result<(), Broken> {
        match trailers.and_then(head::fields) {
            Some(trailers) if !self.ended => {
                self.send_held(false).await?;
                self.ended = true;
                let Some(stream) = &mut self.stream else { return Err(Broken::Gone) };
                stream.send_trailers(trailers).map_err(|_| Broken::Gone)
            }
            _ => self.send_held(true).await,
        }
    }

    fn stream(&self) -> Option<Rc<Stream>> {
        None
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.stream {
            Some(stream) => stream.poll_reset(cx).map(drop),
            None => self.respond.poll_reset(cx).map(drop),
        }
    }
}
