//! Where requests are answered, how a target is chosen, and when one is left alone.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::balance::Balance;
use crate::id::UpstreamId;
use crate::limit::{Retry, Timeouts};
use crate::tls::{Renewable, UpTls};

/// A service that answers, on one or several targets.
#[derive(Debug)]
pub struct Upstream {
    /// Its place in `Plan::upstreams`.
    pub id: UpstreamId,
    /// Its name in metrics and logs; what a worker keeps over a change of plan is found by it.
    pub name: Arc<str>,
    /// Where it runs, in the order written; never empty.
    pub targets: Vec<Target>,
    /// How one of them is chosen.
    pub balance: Balance,
    /// What is spoken with them.
    pub protocol: UpProtocol,
    /// TLS with them.
    pub tls: Option<Renewable<UpTls>>,
    /// How they are watched.
    pub health: Health,
    /// How much they may be asked to carry, over all workers.
    pub breaker: Breaker,
    /// How long things may take, unless the route says otherwise.
    pub timeouts: Timeouts,
    /// When to try again, unless the route says otherwise.
    pub retry: Retry,
    /// Connections kept for the next request.
    pub keep_alive: KeepAlive,
    /// A target that is new or well again gets its full share only after this long.
    pub slow_start: Duration,
    /// The PROXY protocol header with which connections begin.
    pub proxy_protocol: Option<ProxyVersion>,
}

/// One place where an upstream runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its address as written: its name in metrics and logs, and what is hashed to place it.
    pub name: Arc<str>,
    /// Where it is reached.
    pub address: Address,
    /// Its share in proportion to the other weights; 0 takes no new requests.
    pub weight: u32,
}

/// Where something is reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// An address and port.
    Ip(SocketAddr),
    /// A name that is looked up, and a port.
    Name(Arc<str>, u16),
    /// A unix socket.
    Unix(PathBuf),
}

/// What is spoken with an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpProtocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2; without TLS by prior knowledge.
    H2,
    /// What the target chooses in the TLS handshake.
    Auto,
}

/// A version of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyVersion {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// How much an upstream may be asked to carry, over all workers; beyond it requests get 503 at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// Connections to it.
    pub connections_max: u32,
    /// Requests waiting for a connection.
    pub pending_max: u32,
    /// Requests at once.
    pub requests_max: u32,
    /// Further attempts under way at once.
    pub retries_max: u32,
}

/// Connections kept open for the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// Kept by each worker for each target.
    pub connections_max: u32,
    /// Closed after this long without a request.
    pub idle: Duration,
    /// Requests on one connection.
    pub requests_max: u32,
}

/// How targets are watched.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// By asking them.
    pub active: Option<Active>,
    /// By what they answer to clients.
    pub passive: Option<Passive>,
    /// With a smaller share of well targets than this, all are used; between 0 and 1.
    pub panic: f64,
}

/// Asks each target at intervals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Active {
    /// What is asked.
    pub probe: Probe,
    /// How often, give or take a tenth.
    pub every: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Good answers in a row until a target is well.
    pub healthy_after: u32,
    /// Bad answers in a row until it is not; the first check alone decides at the start.
    pub unhealthy_after: u32,
}

/// What a check does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// An HTTP request.
    Http {
        /// Its path.
        path: String,
        /// Its host; none is that of the target.
        host: Option<String>,
        /// The statuses of a well target, ends included.
        expect: (u16, u16),
    },
    /// A connection.
    Tcp,
    /// A call of `grpc.health.v1` for this service.
    Grpc(String),
}

/// Leaves out targets that fail the requests of clients.
#[derive(Clone, Debug, PartialEq)]
pub struct Passive {
    /// Answers with 5xx in a row.
    pub consecutive_5xx_max: u32,
    /// Connections in a row that could not be opened, or broke.
    pub consecutive_errors_max: u32,
    /// Left out for this long, times how often it has been.
    pub eject: Duration,
    /// Left out no longer than this.
    pub eject_max: Duration,
    /// The largest share of targets left out at once, between 0 and 1; one always may be.
    pub eject_share_max: f64,
}
