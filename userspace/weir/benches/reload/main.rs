//! Reloads under load: none of them may cost a request, the slowest requests stay as fast as without, and memory returns.
//!
//! `cargo bench -p weir --bench reload`. Rounds with reloads and rounds without take turns, because others may use the
//! machine meanwhile. The rows go to `target/bench/reload.json`; with `--quick` there are fewer
//! rounds, with `--open` only those of the open loop.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a program that measures and prints"
)]

mod appliance;
mod burner;
mod client;
mod load;
mod middle;
#[path = "../../../plan/benches/plan/rows.rs"]
mod rows;

use appliance::Appliance;
use burner::Burner;
use load::{Load, Outcome, Pace, wait_until};
use middle::{median, spread};
use rows::Row;
use std::time::{Duration, Instant};

/// Reloads in a round, and the pause after each.
const RELOADS: usize = 100;
const PAUSE: Duration = Duration::from_millis(20);
/// Rounds with reloads; as many without: a thousand reloads for each kind of load.
const ROUNDS: usize = 10;
/// With `--quick`.
const QUICK: Extent = Extent { rounds: 3, reloads: 10 };
/// The slowest requests may be slower by this factor.
const P99_MAX: f64 = 1.10;
/// Memory may grow by this factor between the first round and the last.
const MEMORY_MAX: f64 = 1.05;

/// How much is measured.
#[derive(Clone, Copy)]
struct Extent {
    rounds: usize,
    /// In each round.
    reloads: usize,
}

fn main() {
    burner::serve();
    let is_given = |word: &str| std::env::args().any(|argument| argument == word);
    let is_quick = is_given("--quick");
    let extent = if is_quick { QUICK } else { Extent { rounds: ROUNDS, reloads: RELOADS } };
    let paces = if is_given("--open") { vec![Pace::Open] } else { vec![Pace::Closed, Pace::Open] };
    let rows: Vec<Row> = paces.into_iter().flat_map(|pace| measured(pace, extent)).collect();
    rows::write("reload.json", &rows);
}

/// What clients saw in each round: while reloading, beside another process that is as busy, and by themselves.
#[derive(Default)]
struct Seen {
    asked: usize,
    failed: usize,
    busy_us: Vec<f64>,
    burnt_us: Vec<f64>,
    quiet_us: Vec<f64>,
    memory_kib: Vec<f64>,
}

/// One kind of load, with reloads and without in turns.
fn measured(pace: Pace, extent: Extent) -> Vec<Row> {
    let mut appliance = Appliance::start("");
    let cost = reload_cost(&mut appliance);
    let (mut burner, mut seen) = (Burner::start(), Seen::default());
    for _ in 0..extent.rounds {
        let begun = Instant::now();
        let with = load_while(pace, appliance.port(), || {
            for _ in 0..extent.reloads {
                appliance.reload();
                wait_until(Instant::now() + PAUSE);
            }
        });
        let took = begun.elapsed();
        let burnt = load_while(pace, appliance.port(), || {
            let begun = Instant::now();
            while begun.elapsed() < took {
                burner.burn(cost.whole);
                wait_until(Instant::now() + PAUSE);
            }
        });
        let without = load_while(pace, appliance.port(), || wait_until(Instant::now() + took));
        // What reloads took has had the time to come back.
        seen.memory_kib.push(appliance.memory_kib() as f64);
        seen.asked += with.asked;
        seen.failed += with.failed + burnt.failed + without.failed;
        seen.busy_us.push(with.p99_us());
        seen.burnt_us.push(burnt.p99_us());
        seen.quiet_us.push(without.p99_us());
    }
    rows(pace, extent.rounds * extent.reloads, &cost, &seen)
}

/// The CPU time of a reload, from several when nobody asks for anything.
struct Cost {
    whole: Duration,
    workers: Duration,
    /// The thread that takes it and swaps; the rest is done by threads that step back.
    control: Duration,
}

fn reload_cost(appliance: &mut Appliance) -> Cost {
    const RELOADS: u32 = 50;
    let (before, [workers_before, control_before]) = (appliance.cpu(), appliance.standing_cpu());
    (0..RELOADS).for_each(|_| appliance.reload());
    let (after, [workers, control]) = (appliance.cpu(), appliance.standing_cpu());
    Cost {
        whole: (after - before) / RELOADS,
        workers: workers.saturating_sub(workers_before) / RELOADS,
        control: control.saturating_sub(control_before) / RELOADS,
    }
}

fn load_while(pace: Pace, port: u16, work: impl FnOnce()) -> Outcome {
    let load = Load::start(port, pace);
    work();
    load.stop()
}

fn rows(pace: Pace, reloads: usize, cost: &Cost, seen: &Seen) -> Vec<Row> {
    let Seen { asked, failed, busy_us, burnt_us, quiet_us, memory_kib } = seen;
    let (before, after, burnt) = (median(quiet_us), median(busy_us), median(burnt_us));
    let [cost_ms, workers_ms, control_ms] =
        [cost.whole, cost.workers, cost.control].map(|part| part.as_secs_f64() * 1e3);
    let (first, last) = (memory_kib[0], memory_kib[memory_kib.len() - 1]);
    println!(
        "{pace}: {reloads} reloads of {cost_ms:.1} ms CPU each ({workers_ms:.2} on all workers, {control_ms:.2} on the control thread), {asked} requests meanwhile, {failed} failed; p99 {after:.0} µs, \
         without {before:.0} µs, beside another process as busy {burnt:.0} µs; memory {last} KiB, {first} after the first round"
    );
    let row = |what: &str, unit, ours, peer, spread, goal| Row {
        id: "P16",
        what: format!("{what}, {pace}"),
        unit,
        ours,
        peer,
        spread,
        floor: None,
        goal: Some(goal),
        note: format!("{reloads} reloads, one every {} ms, {asked} requests meanwhile", PAUSE.as_millis()),
    };
    let p99 = row("p99 while reloading", "µs", after, Some((before, "no reloads")), spread(busy_us), P99_MAX);
    vec![
        row("requests that fail while reloading", "requests", *failed as f64, None, 0.0, 0.0),
        Row {
            floor: Some(burnt),
            note: format!(
                "{}; a reload takes {cost_ms:.1} ms of CPU: {workers_ms:.2} on all workers, {control_ms:.2} on the control thread, the rest on threads that step back; the floor is the p99 beside another process that takes as much, at the same priority",
                p99.note
            ),
            ..p99
        },
        row("memory after all reloads", "KiB", last, Some((first, "the first round")), 0.0, MEMORY_MAX),
    ]
}
