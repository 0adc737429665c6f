//! CPU time per round trip of an echo and of a byte relay, on this reactor and on others, in one interleaved run.
//!
//! Each contestant is a child process pinned to the first core. This process, on the second core, is client and origin:
//! it keeps all connections open and drives one contestant after the other for a short window, many rounds over, so
//! that noise of the machine falls on all alike. The measure is the child's `schedstat`, all threads.
//!
//! Then few heavy connections on two workers, by `imbalance`; `--imbalance` measures that alone.
//!
//! `relay [--quick] [--rounds N] [--window MS] [--connections N] [--bytes N] [--names A,B]`. Without `--bytes` small
//! messages and bulk are measured, and the rows of this reactor go to `target/bench/reactor.json`. Further names are
//! `weir-copy` (without pipes), `weir-zc` (zero-copy sends from 8 KiB on) and `splice` (epoll and `splice(2)`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench stops where it fails and prints what it finds"
)]

mod bare;
mod drive;
mod imbalance;
mod others;
mod ours;
mod splice;
mod table;

use drive::Contestant;
use std::net::SocketAddr;
use std::time::Duration;
use weir_reactor::Config;

/// What a contestant does with what it receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Echo,
    Relay(SocketAddr),
}

/// The contestants unless others are named; the first is the floor.
const NAMES: &str = "bare,weir,tokio,tokio-uring,tokio-uring-default";

/// Bytes of a message where the cost of one round trip counts, and of one where the cost of a byte does.
const SMALL: usize = 100;
const BULK: usize = 64 * 1024;

struct Options {
    rounds: usize,
    window: Duration,
    connections: usize,
    bytes: Option<usize>,
    names: Vec<String>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if arguments.first().is_some_and(|a| a == "serve") {
        let mode = arguments.get(2).map_or(Mode::Echo, |origin| Mode::Relay(origin.parse().unwrap()));
        serve(&arguments[1], mode);
    }
    let options = options(&arguments);
    // Few rounds are short ones, too, so that there are three of them.
    let (rounds, windows) = if options.rounds < 18 { (3, 8) } else { (options.rounds.div_ceil(6) | 1, 25) };
    let imbalance = options.bytes.is_none().then(|| imbalance::run(rounds, options.window * windows));
    if arguments.iter().any(|argument| argument == "--imbalance") {
        return;
    }
    drive::pin(1);
    if let Some(bytes) = options.bytes {
        for relay in [false, true] {
            run(&options, relay, bytes);
        }
        return;
    }
    let mut rows = Vec::new();
    let works = [("R1", false, SMALL), ("R2", true, SMALL), ("R3", false, BULK), ("R4", true, BULK)];
    for (id, relay, bytes) in works {
        let goal = (bytes == SMALL).then_some(1.03);
        rows.extend(
            run(&options, relay, bytes).iter().filter(|r| r.name == "weir").map(|r| r.json(id, goal)),
        );
    }
    rows.extend(imbalance);
    table::write(&rows);
}

fn options(arguments: &[String]) -> Options {
    let value = |name: &str| {
        let at = arguments.iter().position(|a| a == name)?;
        arguments.get(at + 1).cloned()
    };
    let number = |name, default| value(name).map_or(default, |v| v.parse().unwrap());
    let quick = arguments.iter().any(|a| a == "--quick");
    Options {
        rounds: number("--rounds", if quick { 5 } else { 31 }),
        window: Duration::from_millis(number("--window", 80) as u64),
        connections: number("--connections", 64),
        bytes: value("--bytes").map(|v| v.parse().unwrap()),
        names: value("--names").unwrap_or_else(|| NAMES.into()).split(',').map(String::from).collect(),
    }
}

fn serve(name: &str, mode: Mode) -> ! {
    if imbalance::WAYS.contains(&name) {
        imbalance::serve(name);
    }
    drive::pin(0);
    match name {
        "bare" => bare::serve(mode),
        "weir" => ours::serve(mode, Config::default(), false),
        "weir-copy" => ours::serve(mode, Config { pipes_max: 0, ..Config::default() }, false),
        "weir-zc" => ours::serve(mode, Config::default(), true),
        "splice" => splice::serve(mode),
        "tokio" => others::tokio(mode),
        "tokio-uring" => others::tokio_uring(mode, true),
        "tokio-uring-default" => others::tokio_uring(mode, false),
        other => panic!("no contestant is called {other}"),
    }
    std::process::exit(1);
}

fn run(options: &Options, relay: bool, bytes: usize) -> Vec<table::Row> {
    // Bulk fills the machine with fewer connections.
    let connections = if bytes > SMALL { options.connections / 4 } else { options.connections };
    let work =
        format!("{} of {bytes} bytes, {connections} connections", if relay { "relay" } else { "echo" });
    println!("\n{work}");
    let mut drive = drive::Drive::new(bytes);
    let mut contestants: Vec<Contestant> =
        options.names.iter().map(|name| Contestant::start(name, relay, &mut drive, connections)).collect();
    let mut samples = vec![Vec::new(); contestants.len()];
    for contestant in &mut contestants {
        drive.measure(contestant, options.window);
    }
    for _ in 0..options.rounds {
        for (contestant, samples) in contestants.iter_mut().zip(&mut samples) {
            samples.push(drive.measure(contestant, options.window));
        }
    }
    let rows = table::rows(&work, &options.names, &samples);
    table::print(&rows);
    rows
}
