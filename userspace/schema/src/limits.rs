//! `limits`: what the whole program allows itself, and what one listener or route allows a client.

use std::time::Duration;

use crate::code::Code;
use crate::section::section;
use crate::shape::Shape;
use crate::span::At;
use crate::value::{ByteRate, Fault, Leaf, Share, Size};

section! {
    /// What the whole program allows itself.
    pub struct Limits "limits" {
        /// Worker threads; `auto` is one per core, and more than that there never are.
        pub workers: At<Workers> = Workers::Auto,
        /// Connections of clients at once, over all workers; further ones are closed at once.
        pub connections: At<u32> = 100_000,
        /// Connections of one client address at once.
        pub connections_per_ip: At<u32> = 1_000,
        /// TLS handshakes with clients on their way at once, over all workers; further ones are closed unanswered.
        pub handshakes: At<u32> = 4096,
        /// Memory for buffers, over all workers; beyond it new requests get 503. Another size takes a restart.
        pub buffer_memory: At<Size> = Size::mib(512),
        /// How long `/readyz` says that the program is about to end before connections are refused, so that balancers notice.
        pub drain_delay: At<Duration> = Duration::ZERO,
        /// How long connections may take to end when a listener goes or the program stops.
        pub drain_timeout: At<Duration> = Duration::from_secs(30),
        /// How long the addresses of a named target are used before its name is looked up anew. While that fails or lasts, the
        /// last ones are used on.
        pub name_lifetime: At<Duration> = Duration::from_secs(30),
        /// How many earlier configurations exchanges may keep in memory that began under them. With one more, those of the oldest
        /// have `drain_timeout` to end, and are cut then. WebSockets and tunnels keep none.
        pub retired_plans: At<u32> = 20,
        /// How many earlier configurations are kept for going back.
        pub generations: At<u32> = 10,
        /// The share of a worker's buffers in use above which new connections are closed at once, so that those that are open
        /// can go on. New requests get 503 from seven eighths on.
        pub overload: At<Share> = Share::percent(95),
    }
}

/// How many workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// One per core that the program may use.
    Auto,
    /// So many.
    Count(u16),
}

crate::section::leaves!(Workers);

impl Leaf for Workers {
    const WHAT: &'static str = "a number of workers, or `auto`";
    const CODE: Code = Code::Number;

    fn parse(text: &str) -> Result<Self, Fault> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let count = text.parse::<u16>().ok().filter(|count| (1..=1024).contains(count));
        count.map(Self::Count).ok_or_else(|| {
            Fault::new("{} is not a number of workers").hint("Write `auto`, or a number between 1 and 1024.")
        })
    }

    fn spell(&self) -> String {
        match self {
            Self::Auto => "auto".to_owned(),
            Self::Count(count) => count.to_string(),
        }
    }

    fn shape() -> Shape {
        Shape::Text { what: Self::WHAT, example: "auto" }
    }
}

section! {
    /// What a client may send, and how slowly.
    pub struct ExchangeLimits "limits" {
        /// Bytes of the request line and all headers together; beyond it 431, or 414 for the line alone.
        pub header_bytes_max: At<Size> = Size::kib(16),
        /// Headers; beyond it 431.
        pub headers_max: At<u32> = 100,
        /// How long a head may take from its first byte; beyond it 408.
        pub header_timeout: At<Duration> = Duration::from_secs(10),
        /// Closed after this long without a request.
        pub idle_timeout: At<Duration> = Duration::from_secs(75),
        /// Bytes of a request's body; beyond it 413. Left out, no limit.
        pub body_max: Option<At<Size>>,
        /// A body may not arrive more slowly than this, measured over ten seconds; beyond it 408.
        pub body_rate_min: At<ByteRate> = ByteRate::per_second(Size(1024)),
        /// Requests on one connection; the last answer says `Connection: close`.
        pub requests_max: At<u32> = 10_000,
        /// Streams at once on one HTTP/2 connection.
        pub streams_max: At<u32> = 128,
    }
}

section! {
    /// How long things may take.
    pub struct Timeouts "timeouts" {
        /// To connect to a target, its TLS included.
        pub connect: At<Duration> = Duration::from_secs(5),
        /// From the end of the request to the first byte of the answer.
        pub first_byte: At<Duration> = Duration::from_secs(60),
        /// Without a byte in either direction.
        pub idle: At<Duration> = Duration::from_secs(60),
        /// From the first byte of the request to the last of the answer; left out, no limit.
        pub total: Option<At<Duration>>,
    }
}
