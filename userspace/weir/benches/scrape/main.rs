//! A scraper that comes every second: how long it waits for more than ten thousand series, and what clients notice of it.
//!
//! `cargo bench -p weir --bench scrape`. Rounds with scrapes and rounds without take turns, because others may use the machine
//! meanwhile. The rows go to `target/bench/scrape.json`; with `--quick` there are fewer.
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
use rows::Row;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Scrapes in a round, and how far apart they are.
const SCRAPES: usize = 4;
const APART: Duration = Duration::from_secs(1);
/// Rounds with scrapes; as many without.
const ROUNDS: usize = 7;
/// Routes that have served a request: each has some twenty series.
const ROUTES: usize = 600;
const SERIES_MIN: usize = 10_000;
/// A scrape takes no longer.
const SCRAPE_MS_MAX: f64 = 10.0;
/// The slowest requests may be slower by this factor.
const P99_MAX: f64 = 1.10;

fn main() {
    let rounds = if std::env::args().any(|argument| argument == "--quick") { 2 } else { ROUNDS };
    let status = free_port();
    let appliance = Appliance::start(&format!("telemetry: {{ metrics: \"127.0.0.1:{status}\" }}\n"));
    visit(appliance.port());
    let (series, _) = scrape(status);
    assert!(series >= SERIES_MIN, "{series} series, {SERIES_MIN} are the least");
    let (mut quiet, mut scraped, mut times_ms, mut failed) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..rounds {
        let load = Load::start(appliance.port(), Pace::Open);
        wait_until(Instant::now() + APART * u32::try_from(SCRAPES).expect("small"));
        let without = load.stop();
        let load = Load::start(appliance.port(), Pace::Open);
        for _ in 0..SCRAPES {
            let next = Instant::now() + APART;
            times_ms.push(scrape(status).1);
            wait_until(next);
        }
        let with = load.stop();
        failed += with.failed + without.failed;
        quiet.push(without.p99_us());
        scraped.push(with.p99_us());
    }
    let (before, after, time_ms) = (median(&quiet), median(&scraped), median(&times_ms));
    println!(
        "a scrape of {series} series takes {time_ms:.2} ms; p99 {after:.0} µs with one every second, without {before:.0} µs; {failed} failed"
    );
    let row = |what: &str, unit, ours, peer, spread, goal| Row {
        id: "scrape",
        what: what.to_owned(),
        unit,
        ours,
        peer,
        spread,
        goal: Some(goal),
        note: format!("{series} series, {} scrapes, {failed} requests failed", times_ms.len()),
    };
    let rows = [
        row("a scrape under load", "ms", time_ms, None, spread(&times_ms), SCRAPE_MS_MAX),
        row(
            "p99 while scraped every second",
            "µs",
            after,
            Some((before, "no scrapes")),
            spread(&scraped),
            P99_MAX,
        ),
    ];
    rows::write("scrape.json", &rows);
}

/// Asks for something of every route, so that it has series.
fn visit(port: u16) {
    let mut client = Client::new(port).expect("a connection");
    for route in 0..ROUTES {
        let answer = client.ask_for(&format!("/route/{route}/x"), b"other");
        assert!(answer.expect("an answer"), "route {route}");
    }
}

/// What a scraper does; how many series there are, and how many milliseconds it waited for them.
fn scrape(port: u16) -> (usize, f64) {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the status listener");
    let request = format!("GET /metrics HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it takes the request");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("a page");
    let time_ms = begun.elapsed().as_secs_f64() * 1000.0;
    assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
    (page.lines().filter(|line| line.starts_with("weir_")).count(), time_ms)
}
