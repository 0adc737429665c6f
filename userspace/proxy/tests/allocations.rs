//! The keep-alive path allocates nothing once it is warm, also where the upstream is spoken to in HTTP/2; requests that
//! come as streams allocate a number that may only fall. Counted over the whole process, whose other threads (client and
//! origin) work on arrays.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::let_underscore_must_use,
    clippy::cast_possible_truncation,
    clippy::print_stderr,
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "a test may fail by panicking, and its crate has no users"
)]

#[path = "allocations/idle.rs"]
mod idle;
#[path = "serve/plans.rs"]
mod plans;
#[path = "serve/rig.rs"]
mod rig;

use libtest_mimic::{Arguments, Trial};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use weir_meter::log::{Dialect, Hose, Sheet, hoses};
use weir_plan::listener::{Protocols, Service};
use weir_plan::log::{AccessLog, Header, Told, Traces};
use weir_plan::upstream::UpProtocol;
use weir_policy::Template;
use weir_proxy::Helm;
use weir_schema::value::Leaf;

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const REQUEST: &[u8] =
    b"GET /v1/orders?id=7 HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: test\r\nAccept: */*\r\n\
    X-Forwarded-For: 192.0.2.1\r\nCookie: a=b\r\n\r\n";
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, world!";
/// An answer over HTTP/2, and a request, each with the places where the number of its stream stands.
const ANSWER2: &[u8] = b"\0\0\x13\x01\x04\0\0\0\0\x88\x0f\x0d\x0213\x0f\x10\x0atext/plain\
    \0\0\x0d\0\x01\0\0\0\0Hello, world!";
const ANSWER2_STREAMS: [usize; 2] = [5, 33];
const REQUEST2: &[u8] =
    b"\0\0\x21\x01\x05\0\0\0\0\x82\x86\x84\x01\x0fapi.example.com\x0f\x2b\x04test\x0f\x04\x03*/*";
const FRAME_HEAD: usize = 9;
/// What a request costs that comes as a stream, and one whose spans are recorded. They may only fall.
const STREAM_MAX: usize = 10;
const TRACED_MAX: usize = 1;
const WARM: usize = 300;
const COUNTED: usize = 3000;

fn main() {
    let arguments = Arguments::from_args();
    let missing = rig::missing().is_some();
    let proxied = || -> Result<(), libtest_mimic::Failed> {
        allocates_nothing(false, false);
        Ok(())
    };
    let forwarded = || -> Result<(), libtest_mimic::Failed> {
        allocates_nothing(true, false);
        Ok(())
    };
    let logged = || -> Result<(), libtest_mimic::Failed> {
        allocates_nothing(true, true);
        Ok(())
    };
    let shared = || -> Result<(), libtest_mimic::Failed> {
        shared_connections_allocate_nothing();
        Ok(())
    };
    let streams = || -> Result<(), libtest_mimic::Failed> {
        streams_allocate_little();
        Ok(())
    };
    let traced = || -> Result<(), libtest_mimic::Failed> {
        traces_allocate_little();
        Ok(())
    };
    let idle = || -> Result<(), libtest_mimic::Failed> {
        idle::plain();
        Ok(())
    };
    let idle_tls = || -> Result<(), libtest_mimic::Failed> {
        idle::tls();
        Ok(())
    };
    let trials = vec![
        Trial::test("keep_alive_requests_allocate_nothing", proxied).with_ignored_flag(missing),
        Trial::test("forwarding_fields_allocate_nothing", forwarded).with_ignored_flag(missing),
        Trial::test("the_access_log_allocates_nothing", logged).with_ignored_flag(missing),
        Trial::test("h2_upstreams_allocate_nothing", shared).with_ignored_flag(missing),
        Trial::test("h2_streams_allocate_a_number_that_may_only_fall", streams).with_ignored_flag(missing),
        Trial::test("recorded_traces_allocate_a_number_that_may_only_fall", traced)
            .with_ignored_flag(missing),
        Trial::test("p9_an_idle_connection_is_small", idle).with_ignored_flag(missing),
        Trial::test("p9_an_idle_session_is_small", idle_tls).with_ignored_flag(missing),
    ];
    // One after the other: the count is the whole process's.
    libtest_mimic::run(&Arguments { test_threads: Some(1), ..arguments }, trials).exit();
}

fn allocates_nothing(forwarded: bool, logged: bool) {
    let mut draft = plans::Draft::to(origin());
    draft.listener.forwarded.x_forwarded = forwarded;
    draft.listener.limits.requests_max = u32::MAX;
    draft.listener.limits.idle_timeout = Duration::from_secs(60);
    let mut plan = draft.finish();
    plan.access_log = logged.then(access_log);
    let rig = rig::Rig::new(plan);
    let lines = logged.then(|| write_nowhere(&rig, Helm::log_to));
    let mut client = TcpStream::connect(rig.address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    client.set_nodelay(true).unwrap();
    exchange(&mut client, WARM);
    let before = COUNTING.stats();
    exchange(&mut client, COUNTED);
    let after = COUNTING.stats();
    let allocations = after.allocations + after.reallocations - before.allocations - before.reallocations;
    assert_eq!(allocations, 0, "allocations over {COUNTED} requests");
    // A control: a new connection does allocate, and the count shows it.
    exchange(&mut TcpStream::connect(rig.address).unwrap(), 0);
    let another = TcpStream::connect(rig.address).unwrap();
    drop((client, another));
    drop(rig);
    if let Some(lines) = lines {
        assert!(lines.join().unwrap() >= WARM + COUNTED, "every request is a line");
    }
    assert!(COUNTING.stats().allocations > after.allocations);
}

/// A plan that keeps connections for as long as a count takes.
fn lasting(origin: SocketAddr) -> plans::Draft {
    let mut draft = plans::Draft::to(origin);
    draft.listener.limits.requests_max = u32::MAX;
    draft.listener.limits.idle_timeout = Duration::from_secs(60);
    draft
}

fn shared_connections_allocate_nothing() {
    let origin = origin2();
    let mut draft = lasting(origin);
    let mut shared = draft.upstream_alone(&[origin]);
    let own = Arc::get_mut(&mut shared).unwrap();
    own.protocol = UpProtocol::H2;
    own.keep_alive.requests_max = u32::MAX;
    draft.upstreams[0] = shared;
    let rig = rig::Rig::new(draft.finish());
    let mut client = connect(rig.address);
    exchange(&mut client, WARM);
    let allocations = counted(|| exchange(&mut client, COUNTED));
    assert_eq!(allocations, 0, "allocations over {COUNTED} requests");
}

fn streams_allocate_little() {
    let mut draft = lasting(origin());
    draft.listener.service = Service::Http(Protocols { http1: true, http2: true });
    let rig = rig::Rig::new(draft.finish());
    let mut client = connect(rig.address);
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let mut next = 1;
    streams(&mut client, &mut next, WARM);
    let allocations = counted(|| streams(&mut client, &mut next, COUNTED));
    // Tables that grow now and then are no request's.
    let each = (allocations + COUNTED / 2) / COUNTED;
    assert!(each <= STREAM_MAX, "{each} allocations for each stream");
}

fn traces_allocate_little() {
    let mut plan = lasting(origin()).finish();
    plan.traces =
        Some(Traces { millionths: 1_000_000, dialect: Dialect::Otlp, flush: Duration::from_millis(20) });
    let rig = rig::Rig::new(plan);
    let spans = write_nowhere(&rig, Helm::trace_to);
    let mut client = connect(rig.address);
    exchange(&mut client, WARM);
    let allocations = counted(|| exchange(&mut client, COUNTED));
    assert!(allocations <= TRACED_MAX * COUNTED, "{allocations} allocations over {COUNTED} requests");
    drop((client, rig));
    assert_eq!(spans.join().unwrap(), 2 * (WARM + COUNTED), "each request has two spans");
}

/// Allocations while something is done.
fn counted(act: impl FnOnce()) -> usize {
    let before = COUNTING.stats();
    act();
    let after = COUNTING.stats();
    after.allocations + after.reallocations - before.allocations - before.reallocations
}

fn connect(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    client.set_nodelay(true).unwrap();
    client
}

/// One request after the other, each on a stream of its own.
fn streams(client: &mut TcpStream, next: &mut u32, count: usize) {
    let mut frames = Frames::default();
    for _ in 0..count {
        let mut request = [0; REQUEST2.len()];
        request.copy_from_slice(REQUEST2);
        request[5..9].copy_from_slice(&next.to_be_bytes());
        client.write_all(&request).unwrap();
        // Data that ends the stream.
        while frames.next(client).unwrap() != (0, 1, *next) {}
        *next += 2;
    }
}

/// Frames as they come, in an array.
struct Frames {
    buffer: [u8; 4096],
    filled: usize,
}

impl Default for Frames {
    fn default() -> Frames {
        Frames { buffer: [0; 4096], filled: 0 }
    }
}

impl Frames {
    /// The kind, the flags and the stream of the next frame.
    fn next(&mut self, stream: &mut TcpStream) -> Option<(u8, u8, u32)> {
        loop {
            let length = u32::from_be_bytes([0, self.buffer[0], self.buffer[1], self.buffer[2]]) as usize;
            if self.filled >= FRAME_HEAD && self.filled >= FRAME_HEAD + length {
                let (kind, flags) = (self.buffer[3], self.buffer[4]);
                let id = u32::from_be_bytes(self.buffer[5..9].try_into().unwrap());
                self.take(FRAME_HEAD + length);
                return Some((kind, flags, id));
            }
            self.more(stream)?;
        }
    }

    fn more(&mut self, stream: &mut TcpStream) -> Option<()> {
        let more = stream.read(&mut self.buffer[self.filled..]).ok().filter(|more| *more > 0)?;
        self.filled += more;
        Some(())
    }

    fn take(&mut self, count: usize) {
        self.buffer.copy_within(count..self.filled, 0);
        self.filled -= count;
    }
}

/// An origin that speaks HTTP/2, with one connection.
fn origin2() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(b"\0\0\0\x04\0\0\0\0\0").unwrap();
        let mut frames = Frames::default();
        while frames.filled < 24 {
            frames.more(&mut stream).unwrap();
        }
        frames.take(24);
        while let Some((kind, _, id)) = frames.next(&mut stream) {
            let mut answer = [0; ANSWER2.len()];
            answer.copy_from_slice(ANSWER2);
            for at in ANSWER2_STREAMS {
                answer[at..at + 4].copy_from_slice(&id.to_be_bytes());
            }
            if kind == 1 && stream.write_all(&answer).is_err() {
                return;
            }
        }
    });
    address
}

fn access_log() -> AccessLog {
    let name = String::from("user-agent");
    let field = Template::compile(&weir_schema::value::Template::parse("{path} {header.Cookie}").unwrap());
    AccessLog {
        millionths: 1_000_000,
        fields: vec![(String::from("field"), field)],
        headers: vec![Header { name, told: Told::Whole }],
        flush: Duration::from_millis(20),
    }
}

/// Takes the lines of the worker and gives the sheets back, as the writer does. Returns how many came.
fn write_nowhere(rig: &rig::Rig, turn_to: impl Fn(&Helm, Option<Hose>) -> bool) -> JoinHandle<usize> {
    // Room for all of them: a reader that is late loses none.
    let (mut hoses, wake, sheets) = hoses(1, 16 << 20);
    drop(wake);
    assert!(turn_to(&rig.helm, hoses.pop()));
    std::thread::spawn(move || {
        let count = |sheet: Sheet| {
            let lines = sheet.lines as usize;
            sheet.give_back();
            lines
        };
        sheets.iter().map(count).sum()
    })
}

/// Answers of different requests have the same length, so that no buffer needs to grow.
fn exchange(client: &mut (impl Read + Write), count: usize) {
    let mut buffer = [0; 4096];
    for _ in 0..count {
        client.write_all(REQUEST).unwrap();
        let mut filled = 0;
        while !buffer[..filled].ends_with(b"Hello, world!") {
            let more = client.read(&mut buffer[filled..]).unwrap();
            assert_ne!(more, 0, "closed");
            filled += more;
        }
    }
}

fn origin() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let mut buffer = [0; 4096];
        let mut filled = 0;
        while let Ok(more @ 1..) = stream.read(&mut buffer[filled..]) {
            filled += more;
            if buffer[..filled].ends_with(b"\r\n\r\n") {
                filled = 0;
                if stream.write_all(ANSWER).is_err() {
                    return;
                }
            }
        }
    });
    address
}
