//! What a plan costs: compiling and looking up routes at 10, 1,000 and 100,000 of them, and choosing targets by hash.
//!
//! `cargo bench -p weir-plan`. Figures are the best of several rounds, and rounds of different sizes take turns, because others
//! may use the machine meanwhile. The rows go to `target/bench/plan.json`; with `--quick` in fewer rounds.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a program that measures and prints"
)]

mod routes;
mod rows;
mod targets;

use std::time::Instant;

fn main() {
    let mut rows = routes::run();
    rows.extend(targets::run());
    rows::write("plan.json", &rows);
}

/// The shortest time of several rounds in nanoseconds, and what the last one made.
pub(crate) fn best<T>(rounds: usize, work: impl Fn() -> T) -> (f64, T) {
    let mut shortest = f64::MAX;
    let mut last = None;
    for _ in 0..rounds {
        let start = Instant::now();
        let made = work();
        shortest = shortest.min(start.elapsed().as_nanos() as f64);
        last = Some(made);
    }
    (shortest, last.expect("at least one round"))
}
