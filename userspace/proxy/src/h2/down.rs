//! The sending half of one stream of a client.
use super::{head, writer::Writer};
use crate::{fault::Broken, half::Sink, stream::Stream};
use bytes::Bytes;
use h2::{Reason, server::SendResponse};
use std::rc::Rc;
use std::task::{Context, Poll};
use weir_message::{Framing, Head, Response, h1::Delivery};
use weir_reactor::Buf;

/// Sends the answer.
pub(super) struct Sender {
    respond: SendResponse<Bytes>,
    /// Once the answer has begun; none if its head could not be sent.
    writer: Option<Writer>,
    begun: bool,
    framing: Framing,
}

impl Sender {
    pub(super) fn new(respond: SendResponse<Bytes>) -> Sender {
        Sender { respond, writer: None, begun: false, framing: Framing::Empty }
    }

    /// Ends the stream so that the client cannot take what it got for the whole.
    pub(super) fn reset(&mut self) {
        match &mut self.writer {
            Some(writer) => writer.reset(Reason::INTERNAL_ERROR),
            None => self.respond.send_reset(Reason::INTERNAL_ERROR),
        }
    }
}

impl Sink for Sender {
    async fn interim(&mut self, response: &Response) -> Result<(), Broken> {
        let answer = head::write(response).ok_or(Broken::Gone)?;
        self.respond.send_informational(answer).map_err(|_| Broken::Gone)
    }

    fn head(&mut self, response: &Response, delivery: Delivery) {
        self.begun = true;
        self.framing = if response.status == 101 { Framing::UntilClose } else { delivery.framing };
        let ended = self.framing.is_empty();
        let sent = head::write(response).and_then(|answer| self.respond.send_response(answer, ended).ok());
        self.writer = sent.map(|stream| Writer::new(stream, ended));
    }

    fn has_begun(&self) -> bool {
        self.begun
    }

    fn write(&mut self, data: &[u8]) {
        if let Some(writer) = &mut self.writer {
            writer.hold(data);
        }
    }

    async fn chunk(&mut self, data: Buf, more: bool) -> Result<(), Broken> {
        if self.framing.is_empty() {
            return Ok(());
        }
        let writer = self.writer.as_mut().ok_or(Broken::Gone)?;
        writer.chunk(&data, more).await
    }

    async fn flush(&mut self) -> Result<(), Broken> {
        self.writer.as_mut().ok_or(Broken::Gone)?.flush().await
    }

    async fn end(&mut self, trailers: Option<&Head>) -> Result<(), Broken> {
        self.writer.as_mut().ok_or(Broken::Gone)?.end(trailers).await
    }

    fn stream(&self) -> Option<Rc<Stream>> {
        None
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>, _unread: bool) -> Poll<()> {
        match &mut self.writer {
            Some(writer) => writer.poll_reset(cx),
            None => self.respond.poll_reset(cx).map(drop),
        }
    }
}
