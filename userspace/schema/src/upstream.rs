//! `upstreams`: where requests are answered, how a target is chosen, and when one is left alone.

mod balance;
mod health;

use std::time::Duration;

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::limits::Timeouts;
use crate::node::Node;
use crate::reader::Reader;
use crate::section::{section, words};
use crate::shape::Shape;
use crate::span::{At, Span};
use crate::value::{
    Address, Checked, Fault, FilePath, Leaf, Material, Share, Short, Size, StatusRange, Value,
};

pub use balance::{Balance, Hash, LeastRequest, Maglev, RoundRobin};
pub use health::{Active, Health, HttpCheck, Passive, Probe};

section! {
    /// A service that answers, on one or several targets.
    pub struct Upstream "upstream" [checked] {
        /// Where it runs: `10.0.0.11:8080`, `orders.internal:8080`, `unix:/run/app.sock`.
        pub targets: Vec<At<Target>>,
        /// How a target is chosen.
        pub balance: At<Balance> = Balance::usual(),
        /// What is spoken with it.
        pub protocol: At<UpProtocol> = UpProtocol::Http1,
        /// Speak TLS with it.
        pub tls: Option<At<Box<UpTls>>>,
        /// How its targets are watched.
        pub health: At<Health>,
        /// How much it may be asked to carry, over all workers.
        pub breaker: At<Breaker>,
        /// How long things may take.
        pub timeouts: At<Timeouts>,
        /// When to try again.
        pub retry: At<Retry>,
        /// Connections kept for the next request.
        pub keep_alive: At<KeepAlive>,
        /// A target that is new or well again gets its full share only after this long.
        pub slow_start: At<Duration> = Duration::ZERO,
        /// Begin connections with a PROXY protocol header.
        pub proxy_protocol: Option<At<ProxyVersion>>,
    }
}

impl Checked for Upstream {
    fn check(&self, span: Span, reader: &mut Reader<'_>) {
        if self.targets.is_empty() {
            let found = Diagnostic::new(Code::MissingKey, span, "`targets` is missing in an `upstream`");
            reader.push(found.hint("Say where it runs, for instance `targets: [ 10.0.0.11:8080 ]`."));
        } else if self.targets.iter().all(|target| target.weight.value == 0) {
            reader.push(Diagnostic::new(
                Code::Balance,
                span,
                "every target has the weight 0, so none can be chosen",
            ));
        }
        let mut seen = std::collections::HashMap::new();
        for target in &self.targets {
            if let Some(first) = seen.insert(&target.address.value, target.span) {
                let message = format!("`{}` is a target twice", target.address.spell());
                let found = Diagnostic::new(Code::Balance, target.span, message).also(first, "the first");
                reader.push(found.hint("To give it more, raise its `weight`."));
            }
        }
    }
}

section! {
    /// One place where an upstream runs.
    pub struct Target "target" [short] {
        /// Where.
        pub address: At<Address>,
        /// Its share in proportion to the other weights; 0 takes no new requests.
        pub weight: At<u32> = 1,
    }
}

impl Short for Target {
    fn short(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { address: At::new(Address::read(node, reader)?, node.span), weight: At::implied(1) })
    }

    fn short_shape() -> Shape {
        <Address as Leaf>::shape()
    }
}

words! {
    /// What is spoken with an upstream.
    pub enum UpProtocol "a protocol for upstreams" {
        /// HTTP/1.1.
        Http1 = "http/1.1",
        /// HTTP/2; without `tls` by prior knowledge.
        H2 = "h2",
        /// What the target chooses in the TLS handshake.
        Auto = "auto",
    }
}

words! {
    /// A version of the PROXY protocol.
    pub enum ProxyVersion "a version of the PROXY protocol" {
        /// A line of text.
        V1 = "v1",
        /// Binary, with details of TLS.
        V2 = "v2",
    }
}

section! {
    /// TLS towards an upstream; its certificate is always checked unless `verify` says otherwise.
    pub struct UpTls "tls" {
        /// The name it must prove; left out, the name of the target.
        pub server_name: Option<At<String>>,
        /// The authorities believed; left out, those of the system.
        pub ca: Option<At<FilePath>>,
        /// Our certificate, if it asks for one.
        pub certificate: Option<At<Material>>,
        /// The key of `certificate`.
        pub key: Option<At<Material>>,
        /// Check its certificate. `false` is for tests only.
        pub verify: At<bool> = true,
    }
}

section! {
    /// How much an upstream may be asked to carry, over all workers; beyond it requests get 503 at once.
    pub struct Breaker "breaker" {
        /// Connections to it.
        pub connections: At<u32> = 4096,
        /// Requests waiting for a connection.
        pub pending: At<u32> = 1024,
        /// Requests at once.
        pub requests: At<u32> = 16_384,
        /// Further attempts under way at once, within the share that `retry.budget` allows; without room the failure stands.
        pub retries: At<u32> = 256,
    }
}

section! {
    /// When to try again. Only what is safe to repeat is repeated: idempotent methods, or nothing was sent.
    pub struct Retry "retry" {
        /// Further attempts after the first.
        pub attempts: At<u32> = 1,
        /// After which failures.
        pub on: Vec<At<RetryOn>> = RetryOn::Connect,
        /// The most that retries may add to the requests of the last ten seconds.
        pub budget: At<Share> = Share::percent(20),
        /// Bytes of a body that are kept for another attempt, in memory; a longer one is sent once.
        pub body_max: At<Size> = Size::kib(64),
        /// The wait before the second attempt; it doubles, with jitter.
        pub backoff: At<Duration> = Duration::from_millis(25),
        /// The longest wait.
        pub backoff_max: At<Duration> = Duration::from_millis(250),
        /// Tell the target which attempt it is, counted from 1, in `X-Weir-Attempt-Count`.
        pub attempt_header: At<bool> = false,
    }
}

/// A failure after which to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RetryOn {
    /// No connection.
    Connect,
    /// The connection broke before the answer began.
    Reset,
    /// No answer in time.
    Timeout,
    /// An answer with such a status.
    Status(StatusRange),
}

crate::section::leaves!(RetryOn);

impl Leaf for RetryOn {
    const WHAT: &'static str = "a failure such as `connect`, `reset`, `timeout` or `502-504`";
    const CODE: Code = Code::UnknownWord;

    fn parse(text: &str) -> Result<Self, Fault> {
        match text {
            "connect" => Ok(Self::Connect),
            "reset" => Ok(Self::Reset),
            "timeout" => Ok(Self::Timeout),
            _ if text.starts_with(|c: char| c.is_ascii_digit()) => StatusRange::parse(text).map(Self::Status),
            _ => {
                let near = crate::hint::nearest(text, ["connect", "reset", "timeout"]);
                let all =
                    "It is `connect`, `reset`, `timeout`, or status codes such as `502-504`.".to_owned();
                Err(Fault::new("{} is not a failure to try again after")
                    .hint(near.map_or(all, |near| format!("Did you mean `{near}`?"))))
            }
        }
    }

    fn spell(&self) -> String {
        match self {
            Self::Connect => "connect".to_owned(),
            Self::Reset => "reset".to_owned(),
            Self::Timeout => "timeout".to_owned(),
            Self::Status(range) => range.spell(),
        }
    }

    fn shape() -> Shape {
        Shape::Text { what: Self::WHAT, example: "502-504" }
    }
}

section! {
    /// Connections kept open for the next request.
    pub struct KeepAlive "keep_alive" {
        /// Kept by each worker for each target. With HTTP/2, where requests share connections, the most that are open.
        pub connections: At<u32> = 64,
        /// Closed after this long without a request; a little less than the target's own limit.
        pub idle: At<Duration> = Duration::from_secs(55),
        /// Requests on one connection.
        pub requests_max: At<u32> = 100_000,
    }
}
