//! The answer of a target on its way to the client: interim answers, the head, the policies, the body.
use super::{pump, upgrade};
use crate::{
    fault::{Broken, Fault},
    forward,
    half::{Answering, Sink},
    line::Line,
    target::Sticky,
    websocket,
};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use weir_message::{Head, Request, Response, Scheme, Version, h1::Delivery, hop};
use weir_plan::{
    limit::{Retry, Timeouts},
    listener::Listener,
};
use weir_policy::{Chain, Client, Leave, Pass};

/// Interim answers that are passed on; a target that sends more is not answering.
const INTERIM_MAX: u32 = 16;

/// Everything of an exchange that the answer needs, while the upload has the rest.
pub(super) struct Onward<'a, K> {
    pub(super) line: &'a Line,
    pub(super) listener: &'a Listener,
    pub(super) chain: Option<&'a Arc<Chain>>,
    pub(super) client: &'a Client,
    pub(super) route: &'a str,
    pub(super) request: &'a Request,
    pub(super) response: &'a mut Response,
    pub(super) trailers: &'a mut Head,
    pub(super) pass: &'a mut Pass,
    pub(super) sink: &'a mut K,
    pub(super) keep: &'a mut bool,
    /// An answer with one of its statuses is not passed on.
    pub(super) again: Option<&'a Retry>,
    /// A cookie for the client that has none yet.
    pub(super) sticky: Option<Sticky<'a>>,
}

/// How a target agrees to another protocol, if it was asked to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It was not.
    None,
    /// HTTP/1: RFC 9110, section 7.8.
    By101,
    /// HTTP/2: RFC 8441, section 5.
    By2xx,
}

impl<K: Sink> Onward<'_, K> {
    /// Reads the answer and passes it on.
    pub(super) async fn run<I: Answering>(
        &mut self,
        inflow: &mut I,
        timeouts: &Timeouts,
        change: Change,
        progress: &pump::Progress<'_>,
    ) -> Result<(), Fault> {
        let mut interims = 0;
        loop {
            self.head(inflow, timeouts.first_byte, progress).await?;
            if !self.response.is_interim() {
                break;
            }
            interims += 1;
            if interims > INTERIM_MAX {
                return Err(Fault::AnswerUnexpected);
            }
            hop::strip(&mut self.response.head);
            if self.request.version >= Version::Http11 {
                self.line
                    .watch
                    .limit(timeouts.idle, self.sink.interim(self.response))
                    .await
                    .unwrap_or(Err(Broken::Slow))
                    .map_err(Broken::of_client)?;
            }
        }
        progress.tally.answered();
        if change == Change::By2xx && (200..300).contains(&self.response.status) {
            self.agree()?;
            return self.switch(timeouts.idle).await;
        }
        if self.response.status == 101 {
            // RFC 9110, section 15.2.2: a 101 is an answer only to a request that asked for it.
            if change != Change::By101 || self.response.upgrade.is_none() {
                return Err(Fault::AnswerUnexpected);
            }
            return self.switch(timeouts.idle).await;
        }
        let status = self.response.status;
        if upgrade::must_tunnel(self.request) && (200..300).contains(&status) {
            return Err(Fault::AnswerUnexpected);
        }
        if !progress.spent.get() && self.again.is_some_and(|retry| retry.is_on_status(status)) {
            return Err(Fault::AnswerRefused(status));
        }
        hop::strip(&mut self.response.head);
        self.stick()?;
        forward::via(&mut self.response.head, self.response.version);
        forward::date(&mut self.response.head, || self.line.desk.date());
        forward::secure(&mut self.response.head, self.listener).map_err(super::reply::unwritable)?;
        self.leave();
        let delivery = Delivery::of(self.response, self.request, *self.keep && !self.line.is_draining());
        *self.keep = delivery.persistent;
        self.sink.head(self.response, delivery);
        let watch = (&self.line.watch, timeouts.idle);
        pump::download(inflow, self.sink, self.trailers, watch, progress).await
    }

    /// Gives the client the cookie by which its requests find this target again.
    fn stick(&mut self) -> Result<(), Fault> {
        let Some(Sticky { name, value }) = self.sticky else { return Ok(()) };
        let secure: &[u8] = if self.request.scheme == Scheme::Https { b"; Secure" } else { b"" };
        let parts: [&[u8]; 5] = [name.as_bytes(), b"=", &value, b"; Path=/; HttpOnly; SameSite=Lax", secure];
        self.response.head.append_parts(b"Set-Cookie", &parts).map_err(Fault::Answer)
    }

    /// Waits for a head. The limit counts from the end of the request: as long as the upload moves, it starts anew.
    async fn head<I: Answering>(
        &mut self,
        inflow: &mut I,
        first_byte: Duration,
        progress: &pump::Progress<'_>,
    ) -> Result<(), Fault> {
        let mut reading = pin!(inflow.head(self.request.method, self.response));
        loop {
            let (seen, done) = (progress.moved.get(), progress.done.get());
            let read_or_gone = pump::unless_gone(self.sink, progress, reading.as_mut());
            match self.line.watch.limit(first_byte, read_or_gone).await {
                Ok(read) => return read?.map_err(Broken::of_upstream),
                Err(_) if self.line.watch.is_over() => return Err(Fault::UpstreamSlow),
                Err(_) if !done || progress.moved.get() > seen => {}
                Err(_) => return Err(Fault::UpstreamSlow),
            }
        }
    }

    /// Puts the agreement of HTTP/2 as HTTP/1 does: with the proof that the key was read (RFC 6455, section 4.2.2).
    fn agree(&mut self) -> Result<(), Fault> {
        self.response.set_status(101);
        if let Some(key) = self.request.head.value("sec-websocket-key") {
            let accept = websocket::accept(key);
            self.response.head.set("Sec-WebSocket-Accept", &accept).map_err(Fault::Answer)?;
        }
        Ok(())
    }

    /// The client is told that from here on another protocol is spoken.
    async fn switch(&mut self, idle: Duration) -> Result<(), Fault> {
        hop::strip(&mut self.response.head);
        hop::announce_websocket(&mut self.response.head).map_err(Fault::Answer)?;
        self.leave();
        self.sink.head(self.response, Delivery { persistent: true, ..Delivery::default() });
        let sent = self.line.watch.limit(idle, self.sink.flush()).await;
        sent.unwrap_or(Err(Broken::Slow)).map_err(Broken::of_client)
    }

    /// Lets the answer pass the policies that have seen the request.
    fn leave(&mut self) {
        let Some(chain) = self.chain else { return };
        chain.response(&mut Leave {
            request: self.request,
            response: self.response,
            client: self.client,
            route: self.route,
            now: self.line.desk.now(),
            worker: &mut self.line.desk.policy.borrow_mut(),
            pass: self.pass,
        });
    }
}
