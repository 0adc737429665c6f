//! One client over HTTP/1.1.

use super::answer::Answer;
use super::endpoint::Endpoint;
use super::mix::Prepared;
use super::tls::Trust;
use super::wire::Wire;
use crate::measure::Fault;
use crate::scenario::Handshake;

/// A client with at most one connection, which is opened when it is needed.
pub(crate) struct Client<'a> {
    endpoint: &'a Endpoint,
    trust: Option<Trust>,
    keeps: bool,
    wire: Option<Wire>,
    pub(crate) opened: u64,
    pub(crate) received: u64,
}

impl<'a> Client<'a> {
    pub(crate) fn new(endpoint: &'a Endpoint, keeps: bool) -> Self {
        let anew = endpoint.trust.as_ref().is_some_and(|trust| trust.handshake != Handshake::Once);
        let trust = endpoint.trust.as_ref().map(|trust| trust.for_one_client());
        Self { endpoint, trust, keeps: keeps && !anew, wire: None, opened: 0, received: 0 }
    }

    /// Sends a request and judges the answer. After a fault the connection is gone.
    pub(crate) async fn exchange(&mut self, request: &Prepared, token: usize) -> Result<u16, Fault> {
        let mut wire = match self.wire.take() {
            Some(wire) => wire,
            None => self.open().await?,
        };
        let head = request.heads.get(token).cloned().unwrap_or_default();
        let mut answer = Answer::new();
        let mut bytes = wire.ask(head, &request.body).await?;
        loop {
            self.received += bytes.len() as u64;
            if bytes.is_empty() {
                answer.end()?;
                break;
            }
            if answer.feed(&request.expected, bytes)? {
                break;
            }
            bytes = wire.recv().await?;
        }
        if answer.keeps && self.keeps {
            self.wire = Some(wire);
        }
        answer.judge(&request.expected).map(|()| answer.status)
    }

    async fn open(&mut self) -> Result<Wire, Fault> {
        let wire = self.endpoint.open_as(self.trust.as_ref()).await?;
        let is_first = self.opened == 0;
        self.opened += 1;
        if self.trust.as_ref().is_some_and(|trust| !trust.is_as_asked(wire.handshake(), is_first)) {
            return Err(Fault::Handshake);
        }
        Ok(wire)
    }
}
