//! A scraper that comes every second: how long it waits for more than ten thousand series, and what clients notice of it.
//!
//! `cargo bench -p weir --bench scrape`. Rounds with scrapes, rounds without and rounds in which something else takes as much CPU take
//! turns, because others may use the machine meanwhile: the last is what any work beside costs here. The rows go to `target/bench/scrape.json`; with `--quick` there are fewer.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    dead_code,
    missing_docs,
    reason = "a program that measures and prints; what it shares with the bench of reloads it uses in part"
)]

#[path = "../reload/appliance.rs"]
mod appliance;
#[path = "../reload/client.rs"]
mod client;
#[path = "../reload/load.rs"]
mod load;
#[path = "../reload/middle.rs"]
mod middle;
#[path = "../../../plan/benches/plan/rows.rs"]
mod rows;

use appliance::{Appliance, free_port};
use client::Client;
use load::{Load, Pace, wait_until};
use middle::{median, spread};
use nix::time::ClockId;
use nix::unistd::Pid;
use rows::Row;
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Scrapes in a round, and with `--quick`; how far apart they are.
const SCRAPES: [u32; 2] = [4, 1];
const APART: Duration = Duration::from_secs(1);
/// Rounds with scrapes, and with `--quick`; as many without, and with other work.
const ROUNDS: [usize; 2] = [7, 3];
/// Scrapes that nothing disturbs, by which is known what one costs.
const ALONE: u32 = 20;
/// Routes that have served a request: each has some twenty series.
const ROUTES: usize = 600;
const SERIES_MIN: usize = 10_000;
/// A scrape takes no longer.
const SCRAPE_MS_MAX: f64 = 10.0;
/// The slowest requests may be slower by this factor.
const P99_MAX: f64 = 1.10;

fn main() {
    let is_quick = usize::from(std::env::args().any(|argument| argument == "--quick"));
    let status = free_port();
    let appliance = Appliance::start(&format!("telemetry: {{ metrics: \"127.0.0.1:{status}\" }}\n"));
    visit(appliance.port());
    let series = scrape(status).0.lines().filter(|line| line.starts_with("weir_")).count();
    assert!(series >= SERIES_MIN, "{series} series, {SERIES_MIN} are the least");
    let (page_cost, reader_cost) = costs(appliance.process(), status);
    let cost = page_cost + reader_cost;
    let (mut quiet, mut scraped, mut burnt) = (Vec::new(), Vec::new(), Vec::new());
    let (mut times_ms, mut failed) = (Vec::new(), 0);
    for _ in 0..ROUNDS[is_quick] {
        for (p99s, work) in [
            (&mut quiet, &mut (|| {}) as &mut dyn FnMut()),
            (&mut scraped, &mut || times_ms.push(scrape(status).1)),
            (&mut burnt, &mut || burn(cost)),
        ] {
            let outcome = round(appliance.port(), SCRAPES[is_quick], work);
            failed += outcome.failed;
            p99s.push(outcome.p99_us());
        }
    }
    let (before, after, floor, time_ms) =
        (median(&quiet), median(&scraped), median(&burnt), median(&times_ms));
    println!(
        "a scrape of {series} series takes {time_ms:.2} ms and {page_cost:.2?} of CPU, whoever reads it {reader_cost:.2?}; \
         p99 {after:.0} µs with one every second, {floor:.0} µs with as much other work, without {before:.0} µs; {failed} failed"
    );
    let row = |what: &str, unit, ours, peer, spread, goal| Row {
        id: "scrape",
        what: what.to_owned(),
        unit,
        ours,
        peer,
        spread,
        floor: None,
        goal,
        note: format!("{series} series, {} scrapes, {failed} requests failed", times_ms.len()),
    };
    let cpu_ms = page_cost.as_secs_f64() * 1000.0;
    let no_scrapes = Some((before, "no scrapes"));
    let rows = [
        row("a scrape under load", "ms", time_ms, None, spread(&times_ms), Some(SCRAPE_MS_MAX)),
        row("CPU of a scrape", "ms", cpu_ms, None, 0.0, None),
        Row {
            floor: Some(floor),
            ..row("p99 while scraped every second", "µs", after, no_scrapes, spread(&scraped), Some(P99_MAX))
        },
        row("p99 while other work takes as much CPU", "µs", floor, no_scrapes, spread(&burnt), None),
    ];
    rows::write("scrape.json", &rows);
}

/// A round of load, with some work every second beside.
fn round(port: u16, scrapes: u32, work: &mut dyn FnMut()) -> load::Outcome {
    let load = Load::start(port, Pace::Open);
    for _ in 0..scrapes {
        let next = Instant::now() + APART;
        work();
        wait_until(next);
    }
    load.stop()
}

/// What a scrape costs the program, and whoever reads the page.
fn costs(process: u32, status: u16) -> (Duration, Duration) {
    let process = Pid::from_raw(i32::try_from(process).expect("a process id"));
    let clocks = [ClockId::pid_cpu_clock_id(process).expect("its clock"), ClockId::CLOCK_THREAD_CPUTIME_ID];
    let read = || clocks.map(|clock| Duration::from(clock.now().expect("a time")));
    let before = read();
    for _ in 0..ALONE {
        scrape(status);
    }
    let after = read();
    ((after[0] - before[0]) / ALONE, (after[1] - before[1]) / ALONE)
}

/// Takes so much CPU and does nothing with it: what is seen then is the machine, not the scrape.
fn burn(cost: Duration) {
    let clock = ClockId::CLOCK_THREAD_CPUTIME_ID;
    let now = || Duration::from(clock.now().expect("a time"));
    let until = now() + cost;
    let mut sum = 0_u64;
    while now() < until {
        for number in 0..1000 {
            sum = black_box(sum.wrapping_add(number));
        }
    }
}

/// Asks for something of every route, so that it has series.
fn visit(port: u16) {
    let mut client = Client::new(port).expect("a connection");
    for route in 0..ROUTES {
        let answer = client.ask_for(&format!("/route/{route}/x"), b"other");
        assert!(answer.expect("an answer"), "route {route}");
    }
}

/// What a scraper does: the page, and how many milliseconds it waited for it.
fn scrape(port: u16) -> (String, f64) {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the status listener");
    let request = format!("GET /metrics HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it takes the request");
    let mut page = String::with_capacity(2 << 20);
    stream.read_to_string(&mut page).expect("a page");
    let time_ms = begun.elapsed().as_secs_f64() * 1000.0;
    assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
    (page, time_ms)
}
