//! The keep-alive path allocates nothing once it is warm: counted over the whole process, whose other threads (client
//! and origin) work on arrays.
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

#[path = "serve/plans.rs"]
mod plans;
#[path = "serve/rig.rs"]
mod rig;

use libtest_mimic::{Arguments, Trial};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;
use weir_meter::log::{Sheet, hoses};
use weir_plan::log::{AccessLog, Header, Told};
use weir_policy::Template;
use weir_schema::value::Leaf;

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const REQUEST: &[u8] =
    b"GET /v1/orders?id=7 HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: test\r\nAccept: */*\r\n\
    X-Forwarded-For: 192.0.2.1\r\nCookie: a=b\r\n\r\n";
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, world!";
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
    let trials = vec![
        Trial::test("keep_alive_requests_allocate_nothing", proxied).with_ignored_flag(missing),
        Trial::test("forwarding_fields_allocate_nothing", forwarded).with_ignored_flag(missing),
        Trial::test("the_access_log_allocates_nothing", logged).with_ignored_flag(missing),
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
    let lines = logged.then(|| write_nowhere(&rig));
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
fn write_nowhere(rig: &rig::Rig) -> JoinHandle<usize> {
    let (mut hoses, wake, sheets) = hoses(1, 0);
    drop(wake);
    assert!(rig.helm.log_to(hoses.pop()));
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
fn exchange(client: &mut TcpStream, count: usize) {
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
