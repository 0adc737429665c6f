//! The sending half of one stream of a client.
use super::{
    head,
    writer::{HOLD_MAX, Writer},
};
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
    /// The answer's head and the first of its body, until the connection has them.
    waiting: Option<(http::Response<()>, Vec<u8>)>,
    /// Once the connection has the head; none if it did not take it.
    writer: Option<Writer>,
    begun: bool,
    framing: Framing,
}

impl Sender {
    pub(super) fn new(respond: SendResponse<Bytes>) -> Sender {
        Sender { respond, waiting: None, writer: None, begun: false, framing: Framing::Empty }
    }

    /// Hands over what waits. From then on the answer cannot be taken back.
    fn writer(&mut self) -> Result<&mut Writer, Broken> {
        if let Some((answer, held)) = self.waiting.take() {
            let ended = self.framing.is_empty();
            let stream = self.respond.send_response(answer, ended).map_err(|_| Broken::Gone)?;
            self.writer = Some(Writer::new(stream, ended, held));
        }
        self.writer.as_mut().ok_or(Broken::Gone)
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
        self.waiting = head::write(response).map(|answer| (answer, Vec::new()));
    }

    fn has_begun(&self) -> bool {
        self.begun
    }

    fn take_back(&mut self) -> bool {
        let taken = self.waiting.take().is_some();
        self.begun &= !taken;
        taken
    }

    fn write(&mut self, data: &[u8]) {
        if let Some((_, held)) = &mut self.waiting {
            held.extend_from_slice(data);
        }
    }

    async fn chunk(&mut self, data: Buf, more: bool) -> Result<(), Broken> {
        if self.framing.is_empty() {
            return Ok(());
        }
        if let Some((_, held)) = &mut self.waiting
            && more
            && held.len() + data.len() < HOLD_MAX
        {
            held.extend_from_slice(&data);
            return Ok(());
        }
        self.writer()?.chunk(&data, more).await
    }

    async fn flush(&mut self) -> Result<(), Broken> {
        self.writer()?.flush().await
    }

    async fn end(&mut self, trailers: Option<&Head>) -> Result<(), Broken> {
        self.writer()?.end(trailers).await
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
