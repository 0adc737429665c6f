//! One request and its answer: route, policies, upstream, both bodies. Knows nothing of the HTTP version.
use crate::{
    client,
    desk::Scratch,
    fault::Fault,
    forward,
    half::{Sink, Source},
    line::Line,
    log::{self, Tally},
    offence,
    snapshot::Snapshot,
    spans,
    trace::Own,
};
use std::sync::Arc;
use std::time::{Duration, Instant};
use weir_message::{Framing, Head, Method, Request, Response, hop};
use weir_meter::{Count, Done, Seat};
use weir_plan::{
    Plan,
    listener::{Listener, Service},
    route::{Action, Route},
};
use weir_policy::{Chain, Client, End, Pass, mapped};
use weir_reactor::{nest, now, unless};

/// How often a request may have passed a proxy like this one. Two in a row are common, and a loop has no end.
const PASSES_MAX: usize = 8;

mod attempt;
mod choose;
mod course;
mod join;
mod judge;
mod onward;
mod pump;
mod replay;
mod reply;
mod switched;
mod upgrade;

pub(crate) use switched::{Switched, go_on};

use replay::Replay;
use switched::Switch;

/// How a connection goes on after an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// With the next request.
    Keep,
    /// Not at all.
    Close,
    /// Not at all: the target broke off in the middle of the answer, and the client must notice once it has the rest.
    Cut,
    /// At once.
    Abort,
    /// Not yet: [`go_on`] takes it to its end, without the plan.
    Switch,
}

/// Where an exchange takes place.
#[derive(Clone, Copy)]
pub(crate) struct Setting<'a> {
    pub(crate) line: &'a Line,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) listener: &'a Listener,
}

/// One exchange while it lasts.
struct Exchange<'a, S, K> {
    line: &'a Line,
    snapshot: &'a Snapshot,
    listener: &'a Listener,
    request: &'a mut Request,
    response: &'a mut Response,
    trailers: &'a mut Head,
    trailers_up: &'a mut Head,
    pass: &'a mut Pass,
    body: &'a mut Vec<u8>,
    source: &'a mut S,
    sink: &'a mut K,
    client: Client,
    /// The policies of the route, once there is one.
    chain: Option<&'a Arc<Chain>>,
    route: &'a str,
    /// Another route may answer once a token is verified.
    wants_claims: bool,
    /// The body as far as it was sent, if it may be sent again.
    replay: Replay,
    /// Client and target have agreed on another protocol.
    switch: Option<Box<Switch>>,
    record: Record,
}

/// What is counted at the end.
struct Record {
    seat: Seat,
    status: u16,
    begun: Instant,
    upstream_ns: Option<u64>,
    /// The connection may serve another request.
    keep: bool,
    /// What went wrong, in a word.
    error: Option<&'static str>,
    /// What the access log tells beside.
    tally: Tally,
    /// It has joined its trace.
    is_joined: bool,
    /// Its spans, if they are recorded.
    own: Option<Box<Own>>,
}

/// Runs an exchange whose head has been read, or was refused.
pub(crate) async fn run<S: Source, K: Sink>(
    Setting { line, snapshot, listener }: Setting<'_>,
    scratch: &mut Scratch,
    (source, sink): (&mut S, &mut K),
    head: Result<(), Fault>,
) -> Ends {
    let Scratch { request, response, trailers, trailers_up, pass, body, switched } = scratch;
    pass.clear();
    let keep = head.is_ok() && request.persistent && line.requests.get() < listener.limits.requests_max;
    let record = Record {
        seat: Seat::OTHER,
        status: 0,
        begun: now(),
        upstream_ns: None,
        keep,
        error: None,
        tally: Tally::default(),
        is_joined: false,
        own: None,
    };
    let client = Client { socket: mapped(line.socket.ip()), address: mapped(line.peer.ip()) };
    let mut exchange = Exchange {
        line,
        snapshot,
        listener,
        request,
        response,
        trailers,
        trailers_up,
        pass,
        body,
        source,
        sink,
        client,
        chain: None,
        route: "",
        wants_claims: false,
        replay: Replay::default(),
        switch: None,
        record,
    };
    let served = match head {
        Ok(()) => {
            let served = unless(|_| snapshot.poll_over(), exchange.serve()).await;
            served.unwrap_or_else(|()| Err(overdue(line)))
        }
        Err(fault) => Err(fault),
    };
    if let (Ok(()), Some(switch)) = (&served, exchange.switch.take()) {
        *switched = Some(exchange.switched(switch));
        return Ends::Switch;
    }
    let ends = match served {
        Ok(()) if exchange.record.keep && exchange.is_read().await => Ends::Keep,
        Ok(()) => Ends::Close,
        Err(fault) => nest(exchange.fail(&fault)).await,
    };
    exchange.finish(ends);
    ends
}

impl<'a, S: Source, K: Sink> Exchange<'a, S, K> {
    /// From the head of the request to the last byte of the answer. What most requests do without lies in memory of its
    /// own while it runs, so that an exchange is small.
    async fn serve(&mut self) -> Result<(), Fault> {
        self.resolve_client();
        self.foresee_counters();
        hop::strip(&mut self.request.head);
        self.check_way()?;
        if self.request.path() == "*" || self.has_come_far_enough()? {
            return nest(self.answer(204, None)).await;
        }
        if let Service::Redirect(_, redirect) = &self.listener.service {
            return nest(self.redirect(redirect)).await;
        }
        let route = match self.choose() {
            Ok(route) => route,
            Err(fault) => return nest(self.judged_without_route(fault)).await,
        };
        self.limit_body(self.body_max(route))?;
        let route = match self.judge_route(route).await? {
            Ok(route) => route,
            Err(reply) => return nest(self.reply(reply)).await,
        };
        self.limit_body(self.body_max(route))?;
        match &route.action {
            Action::Upstream(upstream) => self.ask(route, upstream).await,
            Action::Split(split) => {
                let draw = self.line.desk.ids.borrow_mut().random();
                let upstream = split.pick(draw).ok_or(Fault::NoTarget)?;
                self.ask(route, upstream).await
            }
            Action::Redirect(redirect) => nest(self.redirect(redirect)).await,
            Action::Respond(_) if upgrade::must_tunnel(self.request) => {
                Err(Fault::Request(weir_message::Error::MethodRefused))
            }
            Action::Respond(respond) => nest(self.respond(respond)).await,
        }
    }

    /// Who the client is, before its claims about that are removed.
    fn resolve_client(&mut self) {
        let address =
            client::resolve(self.line.peer.ip(), &self.request.head, &self.listener.trusted_proxies);
        self.client = Client { socket: mapped(self.line.socket.ip()), address: mapped(address) };
    }

    /// Where the client will be counted lies far away for a processor, and is on its way while a route is looked for.
    fn foresee_counters(&self) {
        let limits = self.snapshot.plan.chains.foreseen(self.listener.id);
        limits.iter().flat_map(|limit| limit.places(&self.client)).for_each(weir_reactor::foresee);
    }

    /// What is refused before any route is looked for, because of how the request came here.
    fn check_way(&self) -> Result<(), Fault> {
        if weir_reactor::is_short_of_buffers() {
            return Err(Fault::Overloaded);
        }
        // Whoever asks for the name of its handshake, as nearly all do, is where it should be.
        if let (Some(tls), Some(name)) = (&self.listener.tls, self.line.server_name.as_deref())
            && name != self.request.host()
            && tls.load().misdirects(Some(name), self.request.host())
        {
            return Err(Fault::Misdirected);
        }
        if forward::passes(&self.request.head) >= PASSES_MAX { Err(Fault::Loop) } else { Ok(()) }
    }

    /// RFC 9110, section 7.6.2: of OPTIONS a client says how many proxies it may pass, and the last of them answers.
    fn has_come_far_enough(&mut self) -> Result<bool, Fault> {
        if self.request.method != Method::Options {
            return Ok(false);
        }
        let written = self.request.head.value("max-forwards").and_then(|value| str::from_utf8(value).ok());
        let Some(left) = written.and_then(|value| value.parse::<u32>().ok()) else { return Ok(false) };
        let Some(fewer) = left.checked_sub(1) else { return Ok(true) };
        self.request.head.set("Max-Forwards", fewer.to_string().as_bytes()).map_err(Fault::Request)?;
        Ok(false)
    }

    /// RFC 9110, section 15.5.14. A chunked body is counted while it passes.
    fn limit_body(&self, max: Option<u64>) -> Result<(), Fault> {
        match (self.request.framing, max) {
            (Framing::Length(length), Some(max)) if length > max => Err(Fault::BodyTooLarge),
            _ => Ok(()),
        }
    }

    /// The largest body: what the route says, else the listener, and never more than a policy allows.
    fn body_max(&self, route: &Route) -> Option<u64> {
        let written = route.body_bytes_max.or(self.listener.limits.body_bytes_max);
        match (written, self.pass.body_max()) {
            (Some(written), Some(policy)) => Some(written.min(policy)),
            (written, policy) => written.or(policy),
        }
    }

    /// Lets the policies know that the request is over.
    fn conclude(&mut self) {
        let status = self.record.status;
        // What was refused before a route was known is judged by the listener.
        let chain = self.chain.or_else(|| {
            let of_listener = self.snapshot.plan.chains.of_listener(self.listener.id);
            of_listener.filter(|_| !self.pass.offences().is_empty())
        });
        if let Some(chain) = chain {
            self.pass.meet(self.client);
            chain.finish(&mut End { status, now: self.line.desk.now(), pass: self.pass });
            offence::sentence(self.line, self.listener, chain, self.pass);
        }
        for offence in self.pass.offences() {
            self.line.desk.block.refuse(offence.reason as u8);
        }
    }

    /// Counts the exchange, once, whatever became of it.
    fn finish(&mut self, ends: Ends) {
        self.conclude();
        let total_ns = self.record.count(self.line, self.request);
        let plan = &self.snapshot.plan;
        if plan.traces.is_some() && !self.record.is_joined {
            self.join_trace();
        }
        if plan.access_log.is_none() && self.record.own.is_none() {
            return;
        }
        let entry = log::Entry {
            listener: &self.listener.name,
            line: self.line,
            request: self.request,
            client: &self.client,
            pass: self.pass,
            chain: self.chain.map(AsRef::as_ref),
            route: self.route,
            status: self.record.status,
            error: self.record.error,
            total_ns,
            upstream_ns: self.record.upstream_ns,
            tally: &self.record.tally,
            keeps: ends == Ends::Keep,
        };
        tell(plan, self.record.own.as_deref(), &entry);
    }
}

impl Record {
    /// Counts an exchange that is over; how long it took.
    fn count(&self, line: &Line, request: &Request) -> u64 {
        let total_ns = nanoseconds(now().saturating_duration_since(self.begun));
        line.desk.block.done(&Done {
            seat: self.seat,
            method: weir_meter::Method::of(request.method_text()),
            status: self.status,
            total_ns,
            upstream_ns: self.upstream_ns,
            bodies: self.tally.bodies(),
        });
        total_ns
    }

    /// The upstream has taken that long, or longer than it had until then.
    fn waited(&mut self, time: Duration) {
        self.upstream_ns = Some(self.upstream_ns.unwrap_or(0).saturating_add(nanoseconds(time)));
    }
}

/// Writes the line of the access log, and the spans of a trace that is recorded.
fn tell(plan: &Plan, own: Option<&Own>, entry: &log::Entry<'_>) {
    if let Some(rules) = &plan.access_log {
        log::write(rules, entry);
    }
    if let (Some(rules), Some(own)) = (&plan.traces, own) {
        spans::write(rules, own, entry);
    }
}

/// Too many plans came after the one that an exchange goes by.
#[cold]
fn overdue(line: &Line) -> Fault {
    line.desk.block.add(Count::Overdue, 1);
    Fault::Overdue
}

fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
