//! What the program, a client and an exchange may take: sizes, counts and times.

use std::time::Duration;

/// What the whole program allows itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Worker threads; none means one per core.
    pub workers: Option<u16>,
    /// Connections of clients at once, over all workers.
    pub connections_max: u32,
    /// Connections of one client address at once, over all workers.
    pub connections_per_ip_max: u32,
    /// TLS handshakes with clients on their way at once, over all workers.
    pub handshakes_max: u32,
    /// Bytes of buffers, over all workers; beyond it new requests get 503.
    pub buffer_bytes_max: u64,
    /// How long connections may take to end when a listener goes or the program stops.
    pub drain_timeout: Duration,
    /// How long the addresses of a named target are used before its name is looked up anew.
    pub name_lifetime: Duration,
    /// How many earlier plans exchanges may keep in memory.
    pub retired_max: u32,
    /// How many earlier configurations are kept.
    pub generations_max: u32,
    /// The share of tasks in the queue of a worker above which new connections are refused, between 0 and 1.
    pub overload: f64,
}

/// What a client of a listener may send, and how slowly.
#[derive(Clone, Debug, PartialEq)]
pub struct ExchangeLimits {
    /// Bytes of the request line and all headers together; beyond it 431, or 414 for the line alone.
    pub header_bytes_max: u64,
    /// Headers; beyond it 431.
    pub headers_max: u32,
    /// How long a head may take from its first byte; beyond it 408.
    pub header_timeout: Duration,
    /// Closed after this long without a request.
    pub idle_timeout: Duration,
    /// Bytes of a request's body; beyond it 413. None is no limit.
    pub body_bytes_max: Option<u64>,
    /// The slowest a body may arrive, in bytes a second over ten seconds; beyond it 408. 0 is no limit.
    pub body_bytes_per_second_min: u64,
    /// Requests on one connection; the last answer says `Connection: close`.
    pub requests_max: u32,
    /// Streams at once on one HTTP/2 connection.
    pub streams_max: u32,
}

/// How long the steps of an exchange may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To connect to a target, its TLS included.
    pub connect: Duration,
    /// From the end of the request to the first byte of the answer.
    pub first_byte: Duration,
    /// Without a byte in either direction.
    pub idle: Duration,
    /// From the first byte of the request to the last of the answer.
    pub total: Option<Duration>,
}

/// When to try again. Only what is safe to repeat is repeated: idempotent methods, or nothing was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// Further attempts after the first.
    pub attempts_max: u32,
    /// After a connection that could not be opened.
    pub on_connect: bool,
    /// After a connection that broke before the answer began.
    pub on_reset: bool,
    /// After a target that did not answer in time.
    pub on_timeout: bool,
    /// After an answer whose status lies in one of these ranges, ends included.
    pub on_status: Vec<(u16, u16)>,
    /// The most that retries may add to the requests of the last ten seconds, between 0 and 1.
    pub budget: f64,
    /// Bytes of a request's body that are kept for another attempt; a longer body is sent once.
    pub body_bytes_max: usize,
    /// The wait before the second attempt; it doubles, with full jitter.
    pub backoff: Duration,
    /// The longest wait.
    pub backoff_max: Duration,
    /// The target is told which attempt it is.
    pub tells_attempt: bool,
}

impl Retry {
    /// An answer with this status is a reason to try again.
    #[must_use]
    pub fn is_on_status(&self, status: u16) -> bool {
        self.on_status.iter().any(|(first, last)| (*first..=*last).contains(&status))
    }
}
