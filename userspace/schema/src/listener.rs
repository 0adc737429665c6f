//! `listeners`: where connections are accepted and what they speak.

mod paths;

pub use paths::{DotSegments, EmptySegments, EscapedSlashes, PathForm, Paths};

use std::time::Duration;

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::error_page::ErrorPage;
use crate::limits::ExchangeLimits;
use crate::policy::PolicyUse;
use crate::reader::Reader;
use crate::redirect::Redirect;
use crate::section::{section, words};
use crate::shape::Shape;
use crate::span::{At, Span};
use crate::tls::ListenerTls;
use crate::value::{Bind, Checked, Cidr, HostPattern, Map, Name, Short};

section! {
    /// Accepts connections on one or several addresses.
    pub struct Listener "listener" [checked] {
        /// Its name in routes, metrics and logs; left out, its first address.
        pub name: Option<At<Name>>,
        /// Where to listen: `":443"`, `10.0.0.1:443`, `unix:/run/app.sock`.
        pub bind: Vec<At<Bind>>,
        /// What HTTP is spoken. Left out: both with TLS, `http/1.1` without. `h2` without TLS is by prior knowledge.
        pub protocols: Vec<At<Protocol>>,
        /// Connections begin with a PROXY protocol header; those without one are closed.
        pub proxy_protocol: Option<At<ProxyProtocol>>,
        /// Networks whose forwarding headers are believed; the client is the first address from the right outside them.
        pub trusted_proxies: Vec<At<Cidr>>,
        /// Which headers tell the upstream where the request came from.
        pub forwarded: At<Forwarded> = Forwarded::XForwarded,
        /// What becomes of the trace that a request says it belongs to (W3C Trace Context).
        pub trace_context: At<TraceContext> = TraceContext::Join,
        /// In which words requests say so, and upstreams are told; left out, `w3c`. The first that a request uses counts.
        pub trace_formats: Vec<At<TraceFormat>>,
        /// What becomes of a request whose client ends its side of an HTTP/1 connection while it waits.
        pub half_close: At<HalfClose> = HalfClose::Serve,
        /// What is done about the parts of a path on which servers disagree, before a route is looked for.
        pub paths: At<Paths>,
        /// Speak TLS.
        pub tls: Option<At<Box<ListenerTls>>>,
        /// Policies for everything that arrives here, before those of the route.
        pub policies: Vec<At<PolicyUse>>,
        /// Errors that weir answers itself say in `Proxy-Status` what went wrong (RFC 9209).
        pub proxy_status: At<bool> = false,
        /// What the errors look like that weir answers itself.
        pub error_pages: Vec<At<ErrorPage>>,
        /// Limits for what arrives here.
        pub limits: At<ExchangeLimits>,
        /// Answer every request with a redirect instead of looking for a route.
        pub redirect: Option<At<Redirect>>,
        /// Carry bytes instead of requests.
        pub tcp: Option<At<Tcp>>,
    }
}

impl Checked for Listener {
    fn check(&self, span: Span, reader: &mut Reader<'_>) {
        if self.bind.is_empty() {
            let found = Diagnostic::new(Code::MissingKey, span, "`bind` is missing in a `listener`");
            reader.push(found.hint("Say where to listen, for instance `bind: \":443\"`."));
        }
        let Some(tcp) = &self.tcp else { return };
        if let Some(redirect) = &self.redirect {
            let found =
                Diagnostic::new(Code::Conflict, redirect.span, "a redirect is HTTP, but `tcp` carries bytes");
            reader.push(found.also(tcp.span, "`tcp` is set here").hint("Keep one of the two."));
        }
        if let (Some(tls), false) = (&self.tls, tcp.sni.is_empty()) {
            let found = Diagnostic::new(
                Code::Conflict,
                tls.span,
                "`tls` ends TLS here, but `tcp.sni` passes it on unread",
            );
            reader
                .push(found.hint(
                    "Keep `tls` to decrypt, or `tcp.sni` to choose by server name without decrypting.",
                ));
        }
        if let Some(hsts) = self.tls.as_ref().and_then(|tls| tls.hsts.as_ref()) {
            let found = Diagnostic::new(
                Code::Conflict,
                hsts.span,
                "`hsts` is told in answers, but `tcp` carries bytes",
            );
            reader.push(found.also(tcp.span, "`tcp` is set here").hint("Leave `hsts` out."));
        }
        if tcp.upstream.is_none() && tcp.sni.is_empty() {
            let found = Diagnostic::new(Code::MissingKey, tcp.span, "`tcp` leads nowhere");
            reader.push(found.hint("Name an `upstream`, or upstreams by server name under `sni`."));
        }
    }
}

words! {
    /// A version of HTTP.
    pub enum Protocol "a protocol" {
        /// HTTP/2.
        H2 = "h2",
        /// HTTP/1.1, and HTTP/1.0 from those who speak no other.
        Http1 = "http/1.1",
    }
}

words! {
    /// Which headers tell the upstream about the client.
    pub enum Forwarded "a way to say where a request came from" {
        /// `X-Forwarded-For`, `-Proto`, `-Host`, `-Port`, `X-Real-IP`, and `-Prefix` where a route strips one.
        XForwarded = "x-forwarded",
        /// `Forwarded` of RFC 7239.
        Rfc7239 = "rfc7239",
        /// Both.
        Both = "both",
        /// None.
        Off = "off",
    }
}

words! {
    /// What becomes of the trace that a request says it belongs to.
    pub enum TraceContext "a way to treat the trace of a request" {
        /// The upstream gets a `traceparent` with the same trace and weir as the parent. One that is malformed begins a new
        /// trace, without `tracestate`. Whether it is sampled is believed of `trusted_proxies` only.
        Join = "join",
        /// What the client says goes to the upstream as it is.
        Pass = "pass",
    }
}

words! {
    /// The words in which a request says to which trace it belongs.
    pub enum TraceFormat "a format of traces" {
        /// `traceparent` and `tracestate` of W3C Trace Context.
        W3c = "w3c",
        /// `b3` of Zipkin, in one field.
        B3 = "b3",
        /// `X-B3-TraceId`, `X-B3-SpanId` and `X-B3-Sampled` of Zipkin.
        B3Multi = "b3-multi",
        /// `uber-trace-id` of Jaeger.
        Jaeger = "jaeger",
    }
}

words! {
    /// What becomes of a request whose client has ended its side of the connection.
    pub enum HalfClose "a way to treat a half-closed connection" {
        /// It is answered: the client may still be reading.
        Serve = "serve",
        /// It ends, and its upstream with it. Most clients that close have stopped reading.
        Abort = "abort",
    }
}

section! {
    /// PROXY protocol, versions 1 and 2.
    pub struct ProxyProtocol "proxy_protocol" {
        /// Who may send it; left out, everyone who can connect.
        pub from: Vec<At<Cidr>>,
        /// How long the header may take.
        pub header_timeout: At<Duration> = Duration::from_secs(3),
    }
}

section! {
    /// Carries bytes to an upstream.
    pub struct Tcp "tcp" [short] {
        /// Where everything goes, or what no server name matches.
        pub upstream: Option<At<Name>>,
        /// Upstreams by the server name of TLS, which is passed on undecrypted.
        pub sni: Map<Name>,
        /// Closed after this long without a byte in either direction.
        pub idle_timeout: At<Duration> = Duration::from_secs(3600),
    }
}

impl Short for Tcp {
    fn short(node: &crate::node::Node, reader: &mut Reader<'_>) -> Option<Self> {
        let upstream = <Name as crate::value::Value>::read(node, reader)?;
        let tcp = <Self as crate::value::Value>::absent()?;
        Some(Self { upstream: Some(At::new(upstream, node.span)), ..tcp })
    }

    fn short_shape() -> Shape {
        <Name as crate::value::Leaf>::shape()
    }
}

impl Tcp {
    /// The server names as patterns; what is no pattern was reported.
    pub fn server_names(&self) -> impl Iterator<Item = (HostPattern, &At<Name>)> {
        let pattern = |name: &At<String>| <HostPattern as crate::value::Leaf>::parse(name).ok();
        self.sni.iter().filter_map(move |(name, upstream)| pattern(name).map(|pattern| (pattern, upstream)))
    }
}
