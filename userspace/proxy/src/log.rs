//! What the access log tells of an exchange or a tunnel, written by the worker into its own sheet.
use crate::{line::Line, upstream::Pool};
use std::cell::{Cell, RefCell};
use std::net::Ipv6Addr;
use std::rc::Rc;
use std::time::Instant;
use weir_message::{Name, Request, Version};
use weir_meter::key;
use weir_meter::log::{COVERED, Journal, Line as Json, Stamp, path, without_query};
use weir_plan::log::{AccessLog, Header, Told};
use weir_policy::{Chain, Client, Facts, Offence, Pass, mapped};
use weir_reactor::now;

/// What an exchange notes for the log while it runs.
#[derive(Default)]
pub(crate) struct Tally {
    received: Cell<u64>,
    sent: Cell<u64>,
    tries: Cell<u32>,
    /// The target tried last.
    up: RefCell<Option<(Rc<Pool>, usize)>>,
    asked: Cell<Option<Instant>>,
    connected: Cell<Option<Instant>>,
    answered: Cell<Option<Instant>>,
}

impl Tally {
    /// A piece of a body came from the client.
    pub(crate) fn received(&self, bytes: usize) {
        self.received.set(self.received.get() + bytes as u64);
    }

    /// A piece of a body went to the client.
    pub(crate) fn sent(&self, bytes: usize) {
        self.sent.set(self.sent.get() + bytes as u64);
    }

    /// What went to the client had not left yet, and will not.
    pub(crate) fn taken_back(&self) {
        self.sent.set(0);
    }

    /// Bytes of bodies from the client, and to it.
    pub(crate) fn bodies(&self) -> [u64; 2] {
        [self.received.get(), self.sent.get()]
    }

    /// A target is about to be asked.
    pub(crate) fn tried(&self, pool: &Rc<Pool>, target: usize) {
        self.tries.set(self.tries.get() + 1);
        self.asked.set(Some(now()));
        self.connected.set(None);
        self.answered.set(None);
        match &mut *self.up.borrow_mut() {
            Some((known, place)) if Rc::ptr_eq(known, pool) => *place = target,
            up => *up = Some((Rc::clone(pool), target)),
        }
    }

    /// Tells where it was sent last, if anywhere, and how often it was sent.
    pub(crate) fn with_target(&self, tell: impl FnOnce(&str, &str, u32)) {
        if let Some((pool, target)) = &*self.up.borrow()
            && let Some(target) = pool.upstream.targets.get(*target)
        {
            tell(&pool.upstream.name, &target.name, self.tries.get());
        }
    }

    /// There is a connection; one that was opened for this request took its time.
    pub(crate) fn reached(&self, reused: bool) {
        self.connected.set(Some(now()).filter(|_| !reused));
    }

    /// The head of the answer is there.
    pub(crate) fn answered(&self) {
        self.answered.set(Some(now()));
    }
}

/// What a worker writes its lines with.
#[derive(Default)]
pub(crate) struct Pen {
    /// Where they wait to be written.
    pub(crate) journal: Journal,
    /// Where spans wait to be sent.
    pub(crate) spans: Journal,
    stamp: Stamp,
    /// Where a field of the configuration's is put together.
    text: Vec<u8>,
}

/// One line, as far as the exchange knows it.
pub(crate) struct Entry<'a> {
    pub(crate) listener: &'a str,
    pub(crate) line: &'a Line,
    pub(crate) request: &'a Request,
    pub(crate) client: &'a Client,
    pub(crate) pass: &'a Pass,
    pub(crate) chain: Option<&'a Chain>,
    pub(crate) route: &'a str,
    pub(crate) status: u16,
    pub(crate) error: Option<&'static str>,
    pub(crate) total_ns: u64,
    pub(crate) upstream_ns: Option<u64>,
    pub(crate) tally: &'a Tally,
    pub(crate) keeps: bool,
}

/// Logs an exchange, unless sampling leaves it out. Errors and refusals are never left out.
pub(crate) fn write(rules: &AccessLog, entry: &Entry<'_>) {
    let desk = &entry.line.desk;
    let matters = entry.status >= 500 || entry.error.is_some() || !entry.pass.offences().is_empty();
    if !matters && !draws(rules, || desk.ids.borrow_mut().random()) {
        return;
    }
    let Pen { journal, stamp, text, .. } = &mut *desk.pen.borrow_mut();
    let lost = journal.add(|out| {
        let mut json = Json::begin(out, stamp.text(desk.now().wall_ms));
        entry.append(rules, text, &mut json);
        json.end();
    });
    desk.lost_lines(lost);
}

/// Logs a connection that was carried without understanding it.
pub(crate) fn write_tunnel(
    line: &Line,
    (listener, name): (&str, Option<&str>),
    tally: &Tally,
    begun: Instant,
) {
    let desk = &line.desk;
    let Pen { journal, stamp, .. } = &mut *desk.pen.borrow_mut();
    let lost = journal.add(|out| {
        let mut json = Json::begin(out, stamp.text(desk.now().wall_ms));
        json.text(key!("listener"), listener.as_bytes());
        whence(&mut json, line, mapped(line.peer.ip()));
        json.word(key!("protocol"), "tcp");
        secured(&mut json, line);
        if let (Some(name), None) = (name, &line.server_name) {
            json.text(key!("sni"), name.as_bytes());
        }
        bytes(&mut json, tally);
        json.millis(key!("duration_ms"), since(begun, now()));
        asked(&mut json, tally);
        json.end();
    });
    desk.lost_lines(lost);
}

/// Whether the draw takes an exchange into the log.
fn draws(rules: &AccessLog, random: impl FnOnce() -> u64) -> bool {
    const WHOLE: u32 = 1_000_000;
    rules.millionths >= WHOLE || random() % u64::from(WHOLE) < rules.millionths.into()
}

impl Entry<'_> {
    fn append(&self, rules: &AccessLog, scratch: &mut Vec<u8>, json: &mut Json<'_>) {
        let (line, request) = (self.line, self.request);
        json.text(key!("listener"), self.listener.as_bytes());
        if !self.route.is_empty() {
            json.text(key!("route"), self.route.as_bytes());
        }
        whence(json, line, self.client.address);
        json.word(key!("protocol"), protocol(request.version));
        secured(json, line);
        json.text(key!("method"), request.method_text());
        json.text(key!("host"), request.host().as_bytes());
        match path(request.target()) {
            (path, false) => json.text(key!("path"), path),
            (path, true) => json.beginning(key!("path"), path),
        }
        json.number(key!("status"), self.status.into());
        bytes(json, self.tally);
        json.millis(key!("duration_ms"), self.total_ns);
        asked(json, self.tally);
        if let Some(ns) = self.upstream_ns {
            json.millis(key!("upstream_ms"), ns);
        }
        self.judged(json);
        self.named(json);
        self.chosen(rules, scratch, json);
    }

    /// What was wrong with it, and what became of the connection.
    fn judged(&self, json: &mut Json<'_>) {
        let weight = |offence: &&Offence| offence.enforced;
        let offences = self.pass.offences();
        if let Some(offence) = offences.iter().rev().find(weight).or(offences.last()) {
            json.word(key!("verdict"), if offence.enforced { "refused" } else { "observed" });
            json.word(key!("reason"), offence.reason.as_str());
            let rule = self.chain.map_or("", |chain| chain.rule(offence.step, self.pass));
            if !rule.is_empty() {
                json.text(key!("rule"), rule.as_bytes());
            }
        }
        if let Some(error) = self.error {
            json.word(key!("error"), error);
        }
        if !self.keeps {
            json.word(key!("ends"), "close");
        }
    }

    /// Who asked, and by which names the exchange is found elsewhere.
    fn named(&self, json: &mut Json<'_>) {
        if let Some(consumer) = &self.pass.identity.consumer {
            json.text(key!("consumer"), consumer.name.as_bytes());
        }
        if !self.pass.request_id().is_empty() {
            json.text(key!("request_id"), self.pass.request_id());
        }
        if let Some((trace, span)) = self.request.head.value("traceparent").and_then(trace_ids) {
            json.text(key!("trace_id"), trace);
            json.text(key!("span_id"), span);
        }
        if let Some(agent) = self.request.head.known(Name::UserAgent) {
            json.text(key!("user_agent"), agent);
        }
    }

    /// What the configuration asks for beside.
    fn chosen(&self, rules: &AccessLog, scratch: &mut Vec<u8>, json: &mut Json<'_>) {
        if !rules.headers.is_empty() {
            json.open(key!("headers"));
            for Header { name, told } in &rules.headers {
                let Some(value) = self.request.head.value(name) else { continue };
                json.entry(
                    name,
                    match told {
                        Told::Whole => value,
                        Told::Presence => COVERED,
                        Told::Url => without_query(value),
                    },
                );
            }
            json.close();
        }
        if rules.fields.is_empty() {
            return;
        }
        json.open(key!("fields"));
        let facts = Facts { request: self.request, client: self.client, route: self.route, pass: self.pass };
        for (name, template) in &rules.fields {
            template.write(facts, scratch);
            json.entry(name, scratch);
        }
        json.close();
    }
}

/// Who the client is, and who says so.
fn whence(json: &mut Json<'_>, line: &Line, client: Ipv6Addr) {
    json.address(key!("client"), client);
    let (socket, peer) = (mapped(line.socket.ip()), mapped(line.peer.ip()));
    if client == socket {
        return;
    }
    json.word(key!("client_from"), if client == peer { "proxy_protocol" } else { "forwarded" });
    json.address(key!("socket"), socket);
}

/// What the client has shown in its handshake.
fn secured(json: &mut Json<'_>, line: &Line) {
    if let Some(bearer) = &line.bearer {
        json.text(key!("client_subject"), bearer.subject.as_bytes());
        json.text(key!("client_serial"), bearer.serial.as_bytes());
    }
    if let Some(secured) = &line.secured {
        json.word(key!("tls_version"), secured.version.as_str());
        json.word(key!("tls_cipher"), secured.cipher);
    }
    if let Some(name) = &line.server_name {
        json.text(key!("sni"), name.as_bytes());
    }
}

fn bytes(json: &mut Json<'_>, tally: &Tally) {
    json.number(key!("received_bytes"), tally.received.get());
    json.number(key!("sent_bytes"), tally.sent.get());
}

/// Where it was sent, and how long that took.
fn asked(json: &mut Json<'_>, tally: &Tally) {
    let up = tally.up.borrow();
    let Some((pool, target)) = &*up else { return };
    json.prepared(pool.told(*target));
    json.number(key!("tries"), tally.tries.get().into());
    let Some(asked) = tally.asked.get() else { return };
    if let Some(connected) = tally.connected.get() {
        json.millis(key!("connect_ms"), since(asked, connected));
    }
    if let Some(answered) = tally.answered.get() {
        json.millis(key!("first_byte_ms"), since(asked, answered));
    }
}

/// What a line says of where it was sent, which is the same in each.
pub(crate) fn told(upstream: &str, target: &str) -> Box<[u8]> {
    Json::prepare(|json| {
        json.text(key!("upstream"), upstream.as_bytes());
        json.text(key!("target"), target.as_bytes());
    })
}

fn since(begun: Instant, ended: Instant) -> u64 {
    u64::try_from(ended.saturating_duration_since(begun).as_nanos()).unwrap_or(u64::MAX)
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::Http10 => "HTTP/1.0",
        Version::Http11 => "HTTP/1.1",
        Version::Http2 => "HTTP/2",
    }
}

/// The ids of the trace that the client takes part in, and of the span that the upstream sees as its parent (W3C Trace
/// Context, section 3.2.2).
fn trace_ids(traceparent: &[u8]) -> Option<(&[u8], &[u8])> {
    let (trace, span) = (traceparent.get(3..35)?, traceparent.get(36..52)?);
    let fits = [2, 35, 52].iter().all(|at| traceparent.get(*at) == Some(&b'-'));
    let is_id = |id: &[u8]| id.iter().all(u8::is_ascii_hexdigit);
    (fits && is_id(trace) && is_id(span)).then_some((trace, span))
}
