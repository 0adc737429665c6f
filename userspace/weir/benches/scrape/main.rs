//! A scraper that comes every second: how long it waits for more than ten thousand series, and what clients notice of it.
//!
//! `cargo bench -p weir --bench scrape`. Rounds with scrapes, rounds without and rounds in which another program is scraped of as long
//! a page take turns, because others may use the machine meanwhile: the last is what such a page costs here, whoever serves it. The
//! rows go to `target/bench/scrape.json`; with `--quick` there are fewer.
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
mod aside;
#[path = "../reload/client.rs"]
mod client;
#[path = "../reload/load.rs"]
mod load;
#[path = "../reload/middle.rs"]
mod middle;
#[path = "../../../plan/benches/plan/rows.rs"]
mod rows;
mod scraper;
mod twin;

use appliance::{Appliance, free_port};
use client::Client;
use load::{Load, Pace, wait_until};
use middle::{median, spread};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use rows::Row;
use scraper::{Scrape, Scraper};
use std::time::{Duration, Instant};
use twin::Twin;

/// Scrapes in a round, and with `--quick`; how far apart they are.
const SCRAPES: [u32; 2] = [4, 1];
const APART: Duration = Duration::from_secs(1);
/// Rounds with scrapes, and with `--quick`; as many without, and as many in which the other program is scraped.
const ROUNDS: [usize; 2] = [9, 3];
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
    scraper::be();
    twin::be();
    let is_quick = usize::from(std::env::args().any(|argument| argument == "--quick"));
    let status = free_port();
    let appliance = Appliance::start(&format!("telemetry: {{ metrics: \"127.0.0.1:{status}\" }}\n"));
    visit(appliance.port());
    let mut scraper = Scraper::start();
    let (cost, page) = cost(appliance.process(), &mut scraper, status);
    let series = page.series;
    assert!(series >= SERIES_MIN, "{series} series, {SERIES_MIN} are the least");
    let twin = twin_of(cost, page.bytes, &mut scraper);
    let (mut quiet, mut scraped, mut beside) = (Vec::new(), Vec::new(), Vec::new());
    let (mut times_ms, mut failed) = (Vec::new(), 0);
    for _ in 0..ROUNDS[is_quick] {
        for (p99s, port) in [(&mut quiet, None), (&mut scraped, Some(status)), (&mut beside, Some(twin.port))]
        {
            let outcome = round(appliance.port(), SCRAPES[is_quick], &mut || {
                let page = port.map(|port| scraper.scrape(port));
                times_ms.extend(page.filter(|_| port == Some(status)).map(|page| page.time_ms));
            });
            failed += outcome.failed;
            p99s.push(outcome.p99_us());
        }
    }
    let (before, after, floor, time_ms) =
        (median(&quiet), median(&scraped), median(&beside), median(&times_ms));
    println!(
        "a scrape of {series} series, {} bytes, takes {time_ms:.2} ms and {cost:.2?} of CPU, whoever reads it {:.2?}; \
         p99 {after:.0} µs with one every second, {floor:.0} µs with one of another program, without {before:.0} µs; {failed} failed",
        page.bytes, page.cpu
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
    let no_scrapes = Some((before, "no scrapes"));
    let rows = [
        row("a scrape under load", "ms", time_ms, None, spread(&times_ms), Some(SCRAPE_MS_MAX)),
        row("CPU of a scrape", "ms", cost.as_secs_f64() * 1000.0, None, 0.0, None),
        Row {
            floor: Some(floor),
            ..row("p99 while scraped every second", "µs", after, no_scrapes, spread(&scraped), Some(P99_MAX))
        },
        row("p99 while another program is scraped", "µs", floor, no_scrapes, spread(&beside), None),
    ];
    rows::write("scrape.json", &rows);
}

/// CPU time of this thread.
fn used() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("the clock").into()
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

/// What a scrape costs a program, and its page.
fn cost(process: u32, scraper: &mut Scraper, port: u16) -> (Duration, Scrape) {
    let process = Pid::from_raw(i32::try_from(process).expect("a process id"));
    let clock = ClockId::pid_cpu_clock_id(process).expect("its clock");
    let read = || Duration::from(clock.now().expect("a time"));
    let page = scraper.scrape(port);
    let before = read();
    for _ in 0..ALONE {
        scraper.scrape(port);
    }
    ((read() - before) / ALONE, page)
}

/// A program whose page costs as much and is as long. To send it costs something by itself.
fn twin_of(whole: Duration, bytes: usize, scraper: &mut Scraper) -> Twin {
    let idle = Twin::start(Duration::ZERO, bytes);
    let (sending, _) = cost(idle.process.process(), scraper, idle.port);
    Twin::start(whole.saturating_sub(sending), bytes)
}

/// Asks for something of every route, so that it has series.
fn visit(port: u16) {
    let mut client = Client::new(port).expect("a connection");
    for route in 0..ROUTES {
        let answer = client.ask_for(&format!("/route/{route}/x"), b"other");
        assert!(answer.expect("an answer"), "route {route}");
    }
}
