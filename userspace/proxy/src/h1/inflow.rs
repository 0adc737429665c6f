//! The receiving half of an HTTP/1 connection, either side: heads, then bodies piece by piece, without copying.
use crate::{fault::Broken, stream::Stream};
use std::rc::Rc;
use std::task::{Context, Poll};
use weir_message::{
    Error, Framing, Head, Limits, Method, Request, Response,
    chunk::Decoder,
    h1::{Parser, Rules},
};
use weir_reactor::Buf;

/// What is left of the body that is being received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Done,
    Length(u64),
    Chunked,
    UntilClose,
}

/// Receives messages. An idle connection holds no buffer.
pub(crate) struct Inflow {
    stream: Rc<Stream>,
    /// Received and not consumed.
    pending: Option<Buf>,
    /// The beginning of a head that did not come in one piece.
    partial: Vec<u8>,
    parser: Parser,
    body: Body,
    decoder: Decoder,
    limits: Limits,
    /// More came than the messages that were asked for.
    spoiled: bool,
}

impl Inflow {
    pub(crate) fn new(stream: Rc<Stream>, limits: Limits) -> Inflow {
        Inflow {
            stream,
            pending: None,
            partial: Vec::new(),
            parser: Parser::default(),
            body: Body::Done,
            decoder: Decoder::default(),
            limits,
            spoiled: false,
        }
    }

    /// Begins with bytes that were received before.
    pub(crate) fn begin_with(&mut self, early: Option<Buf>) {
        self.pending = early.filter(|early| !early.is_empty());
    }

    /// Ready once a receive will not have to wait.
    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.pending.is_some() { Poll::Ready(()) } else { self.stream.poll_readable(cx) }
    }

    /// Waits for the first byte of a head. False when the peer closed in good order before it.
    pub(crate) async fn begin(&mut self) -> Result<bool, Broken> {
        if self.pending.is_none() {
            self.pending = self.stream.recv().await?;
        }
        Ok(self.pending.is_some())
    }

    /// Reads a request whose first byte has come.
    pub(crate) async fn request(&mut self, rules: &Rules, request: &mut Request) -> Result<(), Broken> {
        while !self.read(|parser, text| parser.request(text, rules, request))? {
            self.pending = Some(self.stream.recv().await?.ok_or(Broken::Gone)?);
        }
        self.expect(request.framing);
        Ok(())
    }

    /// Reads the answer to a request of that method.
    pub(crate) async fn response(&mut self, method: Method, response: &mut Response) -> Result<(), Broken> {
        let limits = self.limits;
        loop {
            if self.pending.is_some()
                && self.read(|parser, text| parser.response(text, &limits, method, response))?
            {
                break;
            }
            self.pending = Some(self.stream.recv().await?.ok_or(Broken::Gone)?);
        }
        self.expect(response.framing);
        Ok(())
    }

    /// Lets the parser see what has come. A head that spans buffers is gathered first; its end lies in the last one.
    fn read(
        &mut self,
        parse: impl FnOnce(&mut Parser, &[u8]) -> Result<Option<usize>, Error>,
    ) -> Result<bool, Broken> {
        let Some(mut news) = self.pending.take() else { return Ok(false) };
        let before = self.partial.len();
        let used = if before == 0 {
            parse(&mut self.parser, &news)?
        } else {
            self.partial.extend_from_slice(&news);
            parse(&mut self.parser, &self.partial)?
        };
        let Some(used) = used else {
            if before == 0 {
                self.partial.extend_from_slice(&news);
            }
            return Ok(false);
        };
        news.advance(used.saturating_sub(before));
        self.partial.clear();
        self.pending = Some(news).filter(|news| !news.is_empty());
        Ok(true)
    }

    fn expect(&mut self, framing: Framing) {
        // Whatever the body is, the trailers of the one before are not its own.
        self.decoder.restart();
        self.body = match framing {
            Framing::Empty | Framing::Length(0) => Body::Done,
            Framing::Length(length) => Body::Length(length),
            Framing::Chunked => Body::Chunked,
            Framing::UntilClose => Body::UntilClose,
        };
    }

    /// The next piece of the body, or nothing at its end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Buf>, Broken> {
        loop {
            if self.body == Body::Done {
                return Ok(None);
            }
            let Some(news) = self.take_or_recv().await? else {
                return self.ended().map(|()| None);
            };
            if let Some(piece) = self.cut(news)? {
                return Ok(Some(piece));
            }
        }
    }

    /// Whether the next call of [`Inflow::chunk`] will not have to wait.
    pub(crate) fn is_ready(&self) -> bool {
        match (&self.pending, self.body) {
            (_, Body::Done) => true,
            // Between two chunks something may have come that is neither body nor end.
            (Some(pending), Body::Chunked) => self.decoder.goes_on(pending, &self.limits),
            (pending, _) => pending.is_some(),
        }
    }

    /// Whether the body is complete.
    pub(crate) fn is_done(&self) -> bool {
        self.body == Body::Done
    }

    /// Whether something came that belongs to no message: after this a connection to an upstream is not used again.
    pub(crate) fn has_rest(&self) -> bool {
        self.pending.is_some() || !self.partial.is_empty() || self.spoiled
    }

    /// What follows the body is not in our hands, and there is something.
    pub(super) fn spoil(&mut self) {
        self.spoiled = true;
    }

    /// The trailers of the body that is done.
    pub(crate) fn trailers(&self, head: &mut Head) -> Result<(), Error> {
        self.decoder.trailers(head)
    }

    /// How much of a body of known length has not been received yet.
    pub(super) fn rest_length(&self) -> Option<u64> {
        match self.body {
            Body::Length(left) if self.pending.is_none() => Some(left),
            _ => None,
        }
    }

    /// So much of the body went another way.
    pub(super) fn passed(&mut self, bytes: u64) {
        if let Body::Length(left) = self.body {
            self.body = if bytes < left { Body::Length(left - bytes) } else { Body::Done };
        }
    }

    pub(super) fn stream(&self) -> &Rc<Stream> {
        &self.stream
    }

    /// What was received and not consumed, for a tunnel.
    pub(crate) fn take_rest(&mut self) -> Option<Buf> {
        self.pending.take()
    }

    async fn take_or_recv(&mut self) -> Result<Option<Buf>, Broken> {
        match self.pending.take() {
            Some(news) => Ok(Some(news)),
            None => Ok(self.stream.recv().await?),
        }
    }

    /// The peer closed: the end of some bodies, a truncation of the others.
    fn ended(&mut self) -> Result<(), Broken> {
        if self.body != Body::UntilClose {
            return Err(Broken::Gone);
        }
        self.body = Body::Done;
        Ok(())
    }

    /// Cuts the body's part off what was received and keeps the rest.
    fn cut(&mut self, mut news: Buf) -> Result<Option<Buf>, Broken> {
        match self.body {
            Body::Done => {
                self.pending = Some(news);
                Ok(None)
            }
            Body::UntilClose => Ok(Some(news)),
            Body::Length(left) => {
                let taken = usize::try_from(left).map_or(news.len(), |left| left.min(news.len()));
                let left = left - taken as u64;
                self.body = if left == 0 { Body::Done } else { Body::Length(left) };
                if taken == news.len() {
                    return Ok(Some(news));
                }
                let piece = news.split_to(taken);
                self.pending = Some(news);
                Ok(Some(piece))
            }
            Body::Chunked => {
                let step = self.decoder.decode(&news, &self.limits)?;
                if step.done {
                    self.body = Body::Done;
                }
                let mut piece = news.split_to(step.used);
                self.pending = Some(news).filter(|news| !news.is_empty());
                piece.advance(step.data.start);
                Ok(Some(piece).filter(|piece| !piece.is_empty() && !step.data.is_empty()))
            }
        }
    }
}
