//! Where connections are accepted, and what becomes of them.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use weir_message::uri;

use crate::host::HostMap;
use crate::id::ListenerId;
use crate::limit::ExchangeLimits;
use crate::page::Pages;
use crate::route::Redirect;
use crate::tls::{DownTls, Renewable};
use crate::upstream::Upstream;

/// Accepts connections on one or several addresses.
#[derive(Debug)]
pub struct Listener {
    /// Its place in `Plan::listeners`.
    pub id: ListenerId,
    /// Its name in metrics and logs.
    pub name: Arc<str>,
    /// Where it listens.
    pub binds: Vec<Bind>,
    /// Connections begin with a PROXY protocol header.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// What is done about the parts of a path on which servers disagree.
    pub paths: uri::Rules,
    /// TLS ends here.
    pub tls: Option<Renewable<DownTls>>,
    /// What `Strict-Transport-Security` says in every answer; none where browsers are told nothing (RFC 6797).
    pub hsts: Option<Box<str>>,
    /// Networks whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Which headers tell the upstream where the request came from.
    pub forwarded: Forwarded,
    /// Upstreams see this program as the parent in the traces that requests say they belong to.
    pub joins_traces: bool,
    /// In which words they say so.
    pub trace_formats: TraceFormats,
    /// A client that ends its side of the connection while it waits for an answer has given up on it.
    pub aborts_on_half_close: bool,
    /// Errors that weir answers itself say in `Proxy-Status` what went wrong (RFC 9209).
    pub proxy_status: bool,
    /// What the errors look like that weir answers itself.
    pub pages: Pages,
    /// Limits for what arrives here.
    pub limits: ExchangeLimits,
    /// What is done with what arrives.
    pub service: Service,
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bind {
    /// One address and port; the unspecified address is all of its family only.
    Ip(SocketAddr),
    /// All addresses of both families at this port, by one dual-stack socket.
    Any(u16),
    /// A unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Bind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => write!(out, "{address}"),
            Self::Any(port) => write!(out, ":{port}"),
            Self::Unix(path) => write!(out, "unix:{}", path.display()),
        }
    }
}

/// What is done with connections.
#[derive(Debug)]
pub enum Service {
    /// Requests are read and routed.
    Http(Protocols),
    /// Requests are read, and each is answered with a redirect.
    Redirect(Protocols, Redirect),
    /// Bytes are carried.
    Tunnel(Tunnel),
}

/// What HTTP is spoken; at least one holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocols {
    /// HTTP/1.1 and HTTP/1.0.
    pub http1: bool,
    /// HTTP/2, chosen by ALPN, or by prior knowledge without TLS.
    pub http2: bool,
}

/// Which headers tell the upstream about the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// `X-Forwarded-For`, `-Proto`, `-Host`, `-Port`, `X-Real-IP`, and `-Prefix` where a route strips one.
    pub x_forwarded: bool,
    /// `Forwarded` of RFC 7239.
    pub rfc7239: bool,
}

/// The words in which requests say to which trace they belong, and upstreams are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceFormats {
    /// `traceparent` and `tracestate`.
    pub w3c: bool,
    /// `b3`.
    pub b3: bool,
    /// `X-B3-TraceId` and its like.
    pub b3_multi: bool,
    /// `uber-trace-id`.
    pub jaeger: bool,
}

impl Default for TraceFormats {
    fn default() -> Self {
        Self { w3c: true, b3: false, b3_multi: false, jaeger: false }
    }
}

/// PROXY protocol, versions 1 and 2, on accepted connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyProtocol {
    /// Who may send it; empty means everyone.
    pub from: Vec<IpNet>,
    /// How long the header may take.
    pub header_timeout: Duration,
}

/// Carries bytes to an upstream.
#[derive(Debug)]
pub struct Tunnel {
    /// Upstreams by the server name in a TLS client's hello, which is passed on undecrypted.
    pub by_name: HostMap<Arc<Upstream>>,
    /// Where everything else goes; without one it is closed.
    pub upstream: Option<Arc<Upstream>>,
    /// Closed after this long without a byte in either direction.
    pub idle_timeout: Duration,
}

impl Tunnel {
    /// The hello must be read before the upstream is known.
    #[must_use]
    pub fn needs_name(&self) -> bool {
        !self.by_name.is_empty()
    }

    /// Where a connection goes that asked for this server name, or for none.
    #[must_use]
    pub fn find(&self, name: Option<&str>) -> Option<&Arc<Upstream>> {
        name.and_then(|name| self.by_name.find(name)).or(self.upstream.as_ref())
    }
}
