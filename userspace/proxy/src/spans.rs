//! What is told of an exchange to whoever collects traces: one span for the client's side, one for the upstream's.
use crate::{log::Entry, trace::Own};
use std::io::Write;
use std::net::Ipv6Addr;
use weir_meter::log::{Dialect, Ids, Side, Span, When, path};
use weir_plan::log::Traces;

/// Tells of an exchange whose trace is recorded.
pub(crate) fn write(rules: &Traces, own: &Own, entry: &Entry<'_>) {
    let desk = &entry.line.desk;
    let ended_ns = desk.now().wall_ms.saturating_mul(1_000_000);
    let begun_ns = ended_ns.saturating_sub(entry.total_ns);
    let spans = &mut desk.pen.borrow_mut().spans;
    let lost = spans.add(|out| entry.served(out, rules.dialect, own, begun_ns));
    desk.lost_spans(lost);
    if let Some(length_ns) = entry.upstream_ns {
        let when = When { begun_ns: ended_ns.saturating_sub(length_ns), length_ns };
        let lost = spans.add(|out| entry.asked(out, rules.dialect, own, when));
        desk.lost_spans(lost);
    }
}

/// The longest text of an address, which is one of IPv6 that ends like one of IPv4.
const ADDRESS_MAX: usize = 45;

/// An address as text.
fn written(address: Ipv6Addr, space: &mut [u8; ADDRESS_MAX]) -> &[u8] {
    let mut rest = &mut space[..];
    // No address is longer than the space.
    drop(write!(rest, "{}", address.to_canonical()));
    let length = ADDRESS_MAX - rest.len();
    space.get(..length).unwrap_or_default()
}

impl Entry<'_> {
    /// The span of the client's side.
    fn served(&self, out: &mut Vec<u8>, dialect: Dialect, own: &Own, begun_ns: u64) {
        let ids = Ids { trace: &own.trace, span: &own.served, parent: own.parent.as_ref() };
        let request = self.request;
        let names = (request.method_text(), self.route.as_bytes());
        let mut span = Span::begin(out, dialect, ids, Side::Server, names);
        span.when(When { begun_ns, length_ns: self.total_ns });
        span.text("http.request.method", request.method_text());
        span.text("server.address", request.host().as_bytes());
        span.text("url.path", path(request.target()).0);
        span.number("http.response.status_code", self.status.into());
        let mut address = [0; ADDRESS_MAX];
        span.text("client.address", written(self.client.address, &mut address));
        span.text("weir.listener", self.listener.as_bytes());
        if !self.route.is_empty() {
            span.text("http.route", self.route.as_bytes());
        }
        if let Some(offence) = self.pass.offences().last() {
            span.text("weir.reason", offence.reason.as_str().as_bytes());
        }
        span.end(self.failure());
    }

    /// The span of the upstream's side.
    fn asked(&self, out: &mut Vec<u8>, dialect: Dialect, own: &Own, when: When) {
        let ids = Ids { trace: &own.trace, span: &own.asked, parent: Some(&own.served) };
        let names = (self.request.method_text(), &[][..]);
        let mut span = Span::begin(out, dialect, ids, Side::Client, names);
        span.when(when);
        span.text("http.request.method", self.request.method_text());
        span.number("http.response.status_code", self.status.into());
        self.tally.with_target(|upstream, target, tries| {
            span.text("weir.upstream", upstream.as_bytes());
            span.text("server.address", target.as_bytes());
            span.number("http.request.resend_count", u64::from(tries.saturating_sub(1)));
        });
        span.end(self.failure());
    }

    /// Errors of the server's are failures; what a client does wrong is not (OpenTelemetry's conventions for HTTP).
    fn failure(&self) -> Option<&'static str> {
        self.error.or((self.status >= 500).then_some("server_error"))
    }
}
