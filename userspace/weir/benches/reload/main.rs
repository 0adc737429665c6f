//! Reloads under load: none of them may cost a request, the slowest requests stay as fast as without, and memory returns.
//!
//! `cargo bench -p weir --bench reload`. Rounds with reloads and rounds without take turns, because others may use the
//! machine meanwhile. The rows go to `target/bench/reload.json`; with `--quick` there are fewer.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a program that measures and prints"
)]

mod appliance;
mod client;
mod load;
mod middle;
#[path = "../../../plan/benches/plan/rows.rs"]
mod rows;

use appliance::Appliance;
use load::{Load, Pace, wait_until};
use middle::{median, spread};
use rows::Row;
use std::time::{Duration, Instant};

/// Reloads in a round, and the pause after each.
const RELOADS: usize = 100;
const PAUSE: Duration = Duration::from_millis(20);
/// Rounds with reloads; as many without.
const ROUNDS: usize = 10;
/// The slowest requests may be slower by this factor.
const P99_MAX: f64 = 1.10;
/// Memory may grow by this factor between the first round and the last.
const MEMORY_MAX: f64 = 1.05;

fn main() {
    let rounds = if std::env::args().any(|argument| argument == "--quick") { 2 } else { ROUNDS };
    let rows: Vec<Row> =
        [Pace::Closed, Pace::Open].into_iter().flat_map(|pace| measured(pace, rounds)).collect();
    rows::write("reload.json", &rows);
}

/// One kind of load, with reloads and without in turns.
fn measured(pace: Pace, rounds: usize) -> Vec<Row> {
    let mut appliance = Appliance::start("");
    let (mut quiet, mut busy) = (Vec::new(), Vec::new());
    let (mut asked, mut failed, mut memory) = (0, 0, Vec::new());
    for _ in 0..rounds {
        let load = Load::start(appliance.port(), pace);
        wait_until(Instant::now() + PAUSE * u32::try_from(RELOADS).expect("small"));
        let without = load.stop();
        let load = Load::start(appliance.port(), pace);
        for _ in 0..RELOADS {
            appliance.reload();
            wait_until(Instant::now() + PAUSE);
        }
        let with = load.stop();
        memory.push(appliance.memory_kib());
        asked += with.asked;
        failed += with.failed + without.failed;
        quiet.push(without.p99_us());
        busy.push(with.p99_us());
    }
    let reloads = rounds * RELOADS;
    let (before, after) = (median(&quiet), median(&busy));
    println!(
        "{pace}: {reloads} reloads, {asked} requests meanwhile, {failed} failed; p99 {after:.0} µs, without {before:.0} µs; \
         memory {} KiB, {} after the first round",
        memory[rounds - 1],
        memory[0]
    );
    let row = |what: String, unit, ours, peer, spread, goal| Row {
        id: "P16",
        what,
        unit,
        ours,
        peer,
        spread,
        goal: Some(goal),
        note: format!("{reloads} reloads, one every {} ms, {asked} requests meanwhile", PAUSE.as_millis()),
    };
    vec![
        row(format!("requests that fail while reloading, {pace}"), "requests", failed as f64, None, 0.0, 0.0),
        row(
            format!("p99 while reloading, {pace}"),
            "µs",
            after,
            Some((before, "no reloads")),
            spread(&busy),
            P99_MAX,
        ),
        row(
            format!("memory after all reloads, {pace}"),
            "KiB",
            memory[rounds - 1] as f64,
            Some((memory[0] as f64, "the first tenth")),
            0.0,
            MEMORY_MAX,
        ),
    ]
}
