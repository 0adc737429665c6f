//! One worker's numbers. It alone writes them; a scrape reads them from another thread.

use crate::directory::{SEATS_MAX, Seat};
use crate::histogram::{Histogram, raise};
use crate::names::{self, Name};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! singles {
    ($(#[$doc:meta])* $type:ident { $($id:ident => $name:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type { $(#[doc = concat!("See [`names::", stringify!($name), "`].")] $id),* }
        impl $type {
            pub(crate) const ALL: &[($type, &Name)] = &[$(($type::$id, &names::$name)),*];
        }
    };
}

singles! {
    /// The gauges of a worker.
    Level { Parked => PARKED, Shaking => TLS_SHAKING, }
}

singles! {
    /// The counters without labels.
    Count {
        Accepted => ACCEPTED,
        PassedOn => PASSED_ON,
        Closed => CLOSED,
        Shed => SHED,
        LotFull => LOT_FULL,
        TlsDone => TLS_DONE,
        UpstreamOpened => UP_OPENED,
        UpstreamReused => UP_REUSED,
        UpstreamFailed => UP_FAILED,
        Retried => RETRIED,
        UpstreamFull => UP_FULL,
        RetryDenied => RETRY_DENIED,
        LogOverflowed => LOG_OVERFLOWED,
        H2Connections => H2_CONNECTIONS,
        H2Streams => H2_STREAMS,
        H2Resets => H2_RESETS,
        H2Farewells => H2_FAREWELLS,
        UpstreamStreams => UP_STREAMS,
        UpstreamRefused => UP_REFUSED,
        Merged => MERGED,
        Overdue => OVERDUE,
        SpansOverflowed => SPANS_OVERFLOWED,
    }
}

macro_rules! labels {
    ($(#[$doc:meta])* $type:ident { $($id:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type { $(#[doc = $text] $id),* }
        impl $type {
            pub(crate) const ALL: &[($type, &str)] = &[$(($type::$id, $text)),*];

            /// The label.
            pub fn as_str(self) -> &'static str {
                match self { $($type::$id => $text),* }
            }
        }
    };
}

labels! {
    /// Request methods that get a label of their own; a client's inventions are counted together.
    Method { Get = "GET", Head = "HEAD", Post = "POST", Put = "PUT", Delete = "DELETE", Options = "OPTIONS", Patch = "PATCH", Other = "other", }
}
labels! {
    /// Versions of TLS that are spoken with clients.
    TlsVersion { Tls12 = "1.2", Tls13 = "1.3", }
}
labels! {
    /// Classes of status.
    Class { Informational = "1xx", Success = "2xx", Redirection = "3xx", ClientError = "4xx", ServerError = "5xx", }
}

labels! {
    /// Why a handshake of TLS with a client came to nothing: it took too long, the client went away, asked for a name that is
    /// not known, had no certificate that will do, did not want ours, or spoke something else; or too many were on their way.
    Unshaken { Slow = "slow", Gone = "gone", Name = "name", Certificate = "certificate", Unwanted = "unwanted", Protocol = "protocol", Crowded = "crowded", }
}

labels! {
    /// What a client of HTTP/2 sent too much of.
    Flood { Reset = "reset", Continuation = "continuation", Settings = "settings", Ping = "ping", Priority = "priority", Empty = "empty", Window = "window", Other = "other", }
}

impl Method {
    /// The label for a method as it stood in the request line; methods are case-sensitive (RFC 9110 §9.1).
    pub fn of(method: &[u8]) -> Self {
        let named = Self::ALL.iter().find(|(_, text)| text.as_bytes() == method);
        named.map_or(Self::Other, |(method, _)| *method)
    }
}

impl Class {
    /// The class of a status code; anything outside 100..=499 counts as a server error.
    pub fn of(status: u16) -> Self {
        match status {
            100..200 => Self::Informational,
            200..300 => Self::Success,
            300..400 => Self::Redirection,
            400..500 => Self::ClientError,
            _ => Self::ServerError,
        }
    }
}

const METHODS: usize = Method::ALL.len();
const CLASSES: usize = Class::ALL.len();
const ROWS_PER_CHUNK: usize = 64;
/// Cells that a worker makes at most: what a scrape may have to tell is bounded, whatever methods clients use on however
/// many routes.
pub(crate) const CELLS_MAX: usize = 16_384;

/// What the requests of one route came to that had the same method and class of status.
#[derive(Debug, Default)]
pub(crate) struct Cell {
    pub(crate) duration: Histogram,
    pub(crate) upstream: Histogram,
    pub(crate) own: Histogram,
}

/// What one route's requests came to.
#[derive(Debug, Default)]
pub(crate) struct Row {
    /// A cell is made for the first request that needs it: most routes know one method and few classes.
    cells: [[OnceLock<Box<Cell>>; CLASSES]; METHODS],
    /// Bytes of bodies from clients, and to them.
    bodies: [AtomicU64; 2],
}

impl Row {
    /// Requests of this method that were answered in this class.
    pub(crate) fn requests(&self, method: Method, class: Class) -> u64 {
        self.cell(method, class).map_or(0, |cell| cell.duration.count())
    }

    /// Bytes of bodies from clients, and to them.
    pub(crate) fn bodies(&self) -> [u64; 2] {
        self.bodies.each_ref().map(|bytes| bytes.load(Relaxed))
    }

    /// What is known of this method and class, if there was such a request.
    pub(crate) fn cell(&self, method: Method, class: Class) -> Option<&Cell> {
        self.place(method, class)?.get().map(AsRef::as_ref)
    }

    fn place(&self, method: Method, class: Class) -> Option<&OnceLock<Box<Cell>>> {
        self.cells.get(method as usize)?.get(class as usize)
    }
}

/// One finished exchange, as it is counted.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    /// The row of its listener and route.
    pub seat: Seat,
    /// Its method.
    pub method: Method,
    /// The status that went to the client.
    pub status: u16,
    /// From the first byte of the request to the last byte of the answer, in nanoseconds.
    pub total_ns: u64,
    /// The part of it spent waiting for the upstream; `None` if none was asked.
    pub upstream_ns: Option<u64>,
    /// Bytes of its body from the client, and of the answer's to it.
    pub bodies: [u64; 2],
}

/// One worker's numbers. Every writing method is for the owning worker only: two writers would lose counts.
#[derive(Debug)]
pub struct Block {
    counts: [AtomicU64; Count::ALL.len()],
    levels: [AtomicU64; Level::ALL.len()],
    refused: [AtomicU64; 256],
    floods: [AtomicU64; Flood::ALL.len()],
    unshaken: [AtomicU64; Unshaken::ALL.len()],
    sessions: [AtomicU64; 2 * TlsVersion::ALL.len()],
    /// Rows come in chunks so that a host with three routes does not pay for four thousand.
    chunks: [OnceLock<Box<[Row]>>; SEATS_MAX.div_ceil(ROWS_PER_CHUNK)],
    /// How many cells there are beside those of [`Seat::OTHER`].
    cells: AtomicU64,
}

impl Default for Block {
    fn default() -> Self {
        Self {
            counts: [const { AtomicU64::new(0) }; _],
            levels: [const { AtomicU64::new(0) }; _],
            refused: [const { AtomicU64::new(0) }; _],
            floods: [const { AtomicU64::new(0) }; _],
            unshaken: [const { AtomicU64::new(0) }; _],
            sessions: [const { AtomicU64::new(0) }; _],
            chunks: [const { OnceLock::new() }; _],
            cells: AtomicU64::new(0),
        }
    }
}

impl Block {
    /// Adds to a counter.
    pub fn add(&self, count: Count, by: u64) {
        if let Some(counter) = self.counts.get(count as usize) {
            raise(counter, by);
        }
    }

    /// Says how much there is of something now.
    pub fn set(&self, level: Level, to: u64) {
        if let Some(own) = self.levels.get(level as usize) {
            own.store(to, Relaxed);
        }
    }

    /// How much there was when the worker last said so.
    pub fn level(&self, level: Level) -> u64 {
        self.levels.get(level as usize).map_or(0, |own| own.load(Relaxed))
    }

    /// Counts one refusal; `reason` is the number of a reason in the `wire` room.
    pub fn refuse(&self, reason: u8) {
        if let Some(counter) = self.refused.get(usize::from(reason)) {
            raise(counter, 1);
        }
    }

    /// Counts one finished exchange.
    pub fn done(&self, done: &Done) {
        let Some(row) = self.row_for_writing(done.seat) else { return };
        if let Some(cell) = self.cell_for_writing(row, done) {
            cell.duration.record(done.total_ns);
            if let Some(ns) = done.upstream_ns {
                cell.upstream.record(ns);
                cell.own.record(done.total_ns.saturating_sub(ns));
            }
        }
        for (sum, bytes) in row.bodies.iter().zip(done.bodies).filter(|(_, bytes)| *bytes > 0) {
            raise(sum, bytes);
        }
    }

    /// Counts a completed handshake by the version of TLS that was agreed on.
    pub fn secured(&self, version: TlsVersion, resumed: bool) {
        let at = 2 * (version as usize) + usize::from(resumed);
        if let Some(counter) = self.sessions.get(at) {
            raise(counter, 1);
        }
    }

    pub(crate) fn sessions(&self, version: TlsVersion, resumed: bool) -> u64 {
        let at = 2 * (version as usize) + usize::from(resumed);
        self.sessions.get(at).map_or(0, |counter| counter.load(Relaxed))
    }

    /// The value of a counter.
    pub fn count(&self, count: Count) -> u64 {
        self.counts.get(count as usize).map_or(0, |counter| counter.load(Relaxed))
    }

    /// Counts one connection of HTTP/2 that was ended for a flood.
    pub fn flood(&self, flood: Flood) {
        if let Some(counter) = self.floods.get(flood as usize) {
            raise(counter, 1);
        }
    }

    /// How many connections were ended for this.
    pub fn floods(&self, flood: Flood) -> u64 {
        self.floods.get(flood as usize).map_or(0, |counter| counter.load(Relaxed))
    }

    /// Counts one handshake of TLS that came to nothing.
    pub fn unshaken(&self, why: Unshaken) {
        if let Some(counter) = self.unshaken.get(why as usize) {
            raise(counter, 1);
        }
    }

    /// How many handshakes came to nothing for this.
    pub fn failures(&self, why: Unshaken) -> u64 {
        self.unshaken.get(why as usize).map_or(0, |counter| counter.load(Relaxed))
    }

    /// How often `reason` was given.
    pub fn refusals(&self, reason: u8) -> u64 {
        self.refused.get(usize::from(reason)).map_or(0, |counter| counter.load(Relaxed))
    }

    /// Finished exchanges of all rows whose status is of this class.
    pub fn exchanges(&self, class: Class) -> u64 {
        let rows = self.chunks.iter().filter_map(OnceLock::get).flat_map(|chunk| chunk.iter());
        rows.flat_map(|row| Method::ALL.iter().map(move |(method, _)| row.requests(*method, class))).sum()
    }

    pub(crate) fn row(&self, seat: Seat) -> Option<&Row> {
        self.chunks.get(seat.0 / ROWS_PER_CHUNK)?.get()?.get(seat.0 % ROWS_PER_CHUNK)
    }

    #[inline]
    fn cell_for_writing<'a>(&'a self, row: &'a Row, done: &Done) -> Option<&'a Cell> {
        let class = Class::of(done.status);
        row.cell(done.method, class).or_else(|| self.make_cell(row, done.method, class, done.seat))
    }

    /// Makes the cell of a row, or while there are too many that of all the rest.
    #[cold]
    fn make_cell<'a>(&'a self, row: &'a Row, method: Method, class: Class, seat: Seat) -> Option<&'a Cell> {
        let (row, of_its_own) = match seat {
            Seat::OTHER => (row, false),
            _ if self.cells.load(Relaxed) < CELLS_MAX as u64 => (row, true),
            _ => {
                self.add(Count::Merged, 1);
                (self.row_for_writing(Seat::OTHER)?, false)
            }
        };
        raise(&self.cells, u64::from(of_its_own));
        row.place(method, class).map(|place| place.get_or_init(Box::default).as_ref())
    }

    fn row_for_writing(&self, seat: Seat) -> Option<&Row> {
        let chunk = self.chunks.get(seat.0 / ROWS_PER_CHUNK)?;
        let rows = chunk.get_or_init(|| (0..ROWS_PER_CHUNK).map(|_| Row::default()).collect());
        rows.get(seat.0 % ROWS_PER_CHUNK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_and_classes_are_named_and_bounded() {
        assert_eq!(Method::of(b"GET"), Method::Get);
        assert_eq!(Method::of(b"get"), Method::Other);
        assert_eq!(Method::of(b"BREW"), Method::Other);
        assert_eq!(Class::of(204), Class::Success);
        assert_eq!(Class::of(499), Class::ClientError);
        assert_eq!(Class::of(999), Class::ServerError);
    }

    #[test]
    fn an_exchange_is_counted_once_in_its_row() {
        let block = Block::default();
        let done = Done {
            seat: Seat(70),
            method: Method::Post,
            status: 503,
            total_ns: 7,
            upstream_ns: None,
            bodies: [0; 2],
        };
        block.done(&done);
        let row = block.row(Seat(70)).unwrap();
        assert_eq!(row.requests(Method::Post, Class::ServerError), 1);
        assert_eq!(row.requests(Method::Post, Class::Success), 0);
        assert_eq!([Class::ServerError, Class::Success].map(|class| block.exchanges(class)), [1, 0]);
        assert!(block.row(Seat(1)).is_none(), "no chunk is made for rows that nobody uses");
    }

    #[test]
    fn cells_come_to_an_end_and_what_follows_is_counted_together() {
        let block = Block::default();
        let done = |seat: usize, method: Method| {
            let (seat, status, total_ns) = (Seat(seat), 200, 7);
            block.done(&Done { seat, method, status, total_ns, upstream_ns: None, bodies: [1, 0] });
        };
        let mut made = 0;
        for (method, _) in Method::ALL {
            for seat in 1..SEATS_MAX {
                done(seat, *method);
                made += 1;
            }
        }
        let merged = made - CELLS_MAX as u64;
        assert_eq!((block.count(Count::Merged), block.exchanges(Class::Success)), (merged, made));
        let other = block.row(Seat::OTHER).unwrap();
        let together: u64 =
            Method::ALL.iter().map(|(method, _)| other.requests(*method, Class::Success)).sum();
        assert_eq!(together, merged);
        done(1, Method::Get);
        assert_eq!(block.count(Count::Merged), merged, "a cell that is there goes on");
    }
}
