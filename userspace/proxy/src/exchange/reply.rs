//! Answers that need no upstream: of policies, of routes that answer by themselves, and to faults.
use super::{Ends, Exchange};
use crate::{
    digits::write_number,
    fault::{Broken, Fault},
    forward, grpc,
    half::{Sink, Source},
    problem::{self, Problem},
    proxy_status,
};
use weir_message::{Error, Framing, Method, Name, Version, h1::Delivery};
use weir_policy::{Leave, Reply};
use weir_reactor::nest;

/// A request body that is not wanted is read away up to this size, so that the connection lives on.
const DRAIN_BYTES_MAX: u64 = 64 * 1024;

impl<S: Source, K: Sink> Exchange<'_, S, K> {
    /// Answers with the status and, where there is one, a body of ours that was put into `self.body`.
    pub(super) async fn answer(&mut self, status: u16, content_type: Option<&[u8]>) -> Result<(), Fault> {
        self.response.begin(status);
        self.body.clear();
        if let Some(kind) = content_type {
            self.field(b"Content-Type", kind)?;
        }
        self.send_own(None).await
    }

    /// The answer of a policy.
    pub(super) async fn reply(&mut self, reply: Reply) -> Result<(), Fault> {
        match &reply.body {
            Some(body) if reply.status < 400 || !grpc::is_grpc(&self.request.head) => {
                self.response.begin(reply.status);
                self.send_own(Some(body)).await
            }
            None if reply.status < 400 => self.answer(reply.status, None).await,
            _ => self.problem(reply.status, reply.detail, [None; 3]).await,
        }
    }

    /// Turns a fault into an answer, if the client can still be told.
    pub(super) async fn fail(&mut self, fault: &Fault) -> Ends {
        self.record.error = Some(fault.as_str());
        if let Some(reason) = fault.reason() {
            self.pass.record(reason);
        }
        let begun = self.sink.has_begun();
        let told = begun && !matches!(fault, Fault::ClientGone);
        self.record.status = if told { self.response.status } else { fault.status() };
        if begun {
            return if fault.blames_upstream() { Ends::Cut } else { Ends::Abort };
        }
        match fault {
            Fault::ClientGone => return Ends::Close,
            Fault::Denied(_) => return Ends::Abort,
            _ => {}
        }
        self.record.keep &= fault.keeps_connection() && !self.request.expects_continue;
        let told = if self.listener.proxy_status { proxy_status::of(fault) } else { None };
        let fields = [fault.field(), fault.marker(), told.map(|told| (proxy_status::NAME, told))];
        match self.problem(fault.status(), fault.detail(), fields).await {
            Ok(()) if self.record.keep && self.is_read().await => Ends::Keep,
            Ok(()) | Err(_) => Ends::Close,
        }
    }

    /// A body in the form the client prefers. A client of gRPC gets no body; what is counted is the status of HTTP.
    async fn problem(
        &mut self,
        status: u16,
        detail: &str,
        fields: [Option<(&str, &str)>; 3],
    ) -> Result<(), Fault> {
        if grpc::is_grpc(&self.request.head) {
            grpc::write(status, detail, self.response);
            let sent = self.send_head_alone().await;
            self.record.status = status;
            return sent;
        }
        if self.pass.request_id().is_empty() {
            let id = self.line.desk.ids.borrow_mut().draw();
            self.pass.set_request_id(&id);
        }
        let request_id = std::str::from_utf8(self.pass.request_id()).unwrap_or_default();
        let accept = self.request.head.known(Name::Accept);
        let page = self.listener.pages.find(status);
        problem::write(Problem { status, detail, request_id }, (accept, page), self.response, self.body);
        for (name, value) in fields.into_iter().flatten() {
            self.field(name.as_bytes(), value.as_bytes())?;
        }
        self.send_own(None).await
    }

    /// Sends `self.response` with a body of ours: the given one, or the one in `self.body`.
    pub(super) async fn send_own(&mut self, body: Option<&[u8]>) -> Result<(), Fault> {
        let length = body.map_or(self.body.len(), <[u8]>::len);
        if !matches!(self.response.status, 204 | 304) {
            let head = &mut self.response.head;
            head.append_known(Name::ContentLength, "Content-Length", |out| write_number(length as u64, out));
            self.response.framing = Framing::Length(length as u64);
        }
        self.send_settled(body).await
    }

    /// Sends `self.response` as an answer that its head ends.
    async fn send_head_alone(&mut self) -> Result<(), Fault> {
        self.body.clear();
        self.response.framing = Framing::Length(0);
        self.send_settled(None).await
    }

    async fn send_settled(&mut self, body: Option<&[u8]>) -> Result<(), Fault> {
        let date = self.line.desk.date();
        self.response.head.append_known(Name::Date, "Date", |out| out.extend_from_slice(&date));
        if !self.source.is_done() && (self.request.expects_continue || !self.drains()) {
            self.record.keep = false;
        }
        forward::secure(&mut self.response.head, self.listener).map_err(unwritable)?;
        self.leave();
        self.record.status = self.response.status;
        let persistent = self.record.keep && !self.line.is_draining();
        self.record.keep = persistent;
        let framing =
            if self.request.method == Method::Head { Framing::Empty } else { self.response.framing };
        self.sink.head(self.response, Delivery { framing, version: self.client_version(), persistent });
        if framing != Framing::Empty {
            self.sink.write(body.unwrap_or(self.body));
            self.record.tally.sent(body.map_or(self.body.len(), <[u8]>::len));
        }
        // A client may keep its window shut.
        let sent = self.line.watch.limit(self.listener.limits.idle_timeout, self.sink.end(None)).await;
        sent.unwrap_or(Err(Broken::Slow)).map_err(|_| Fault::ClientGone)
    }

    /// Lets the answer pass the policies that have seen the request.
    pub(super) fn leave(&mut self) {
        let Some(chain) = self.chain else { return };
        let now = self.line.desk.now();
        chain.response(&mut Leave {
            request: self.request,
            response: self.response,
            client: &self.client,
            route: self.route,
            now,
            worker: &mut self.line.desk.policy.borrow_mut(),
            pass: self.pass,
        });
    }

    /// Whether nothing of the request is unread, or what was is read away.
    pub(super) async fn is_read(&mut self) -> bool {
        self.source.is_done() || nest(self.drain_body()).await
    }

    /// Reads away what the client still sends of its body. False if the connection cannot be used again.
    async fn drain_body(&mut self) -> bool {
        let source = &mut *self.source;
        let drained = async {
            let mut left = DRAIN_BYTES_MAX;
            while let Some(data) = source.chunk().await? {
                left = left.checked_sub(data.len() as u64).ok_or(crate::fault::Broken::Gone)?;
            }
            Ok::<(), crate::fault::Broken>(())
        };
        matches!(self.line.watch.limit(self.listener.limits.header_timeout, drained).await, Ok(Ok(())))
    }

    fn drains(&self) -> bool {
        match self.request.framing {
            Framing::Length(length) => length <= DRAIN_BYTES_MAX,
            _ => true,
        }
    }

    /// A head that was refused has no version; answers to it are of the version we speak.
    fn client_version(&self) -> Version {
        self.request.version
    }

    pub(super) fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        self.response.head.append_parts(name, &[value]).map_err(unwritable)
    }
}

/// A field that may not be written: the configuration or a policy made it up.
pub(super) fn unwritable(_: Error) -> Fault {
    Fault::Internal("a field of ours cannot be written")
}
