//! The whole proxy in simulated worlds: each seed is one world, with clients and origins of HTTP/1 and HTTP/2 that cut,
//! stall, vanish and answer nonsense, and with new plans while it runs. Whatever happens, every exchange is counted once,
//! nothing is answered wrongly, and every buffer, connection and permit comes back.
//!
//! `WEIR_WORLDS=10000 cargo test -p weir-proxy --test worlds` looks at more of them, `WEIR_WORLD=17` at one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::let_underscore_must_use,
    clippy::cast_possible_truncation,
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "a test may fail by panicking, and its crate has no users"
)]

mod client;
mod client2;
mod dice;
mod origin;
mod origin2;
#[path = "../serve/plans.rs"]
mod plans;
mod tally;
mod wire;
mod world;

use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use tally::Ended;

/// Worlds that are looked at where nobody asks for more.
const WORLDS: u64 = 60;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn every_exchange_is_counted_once_and_everything_comes_back() {
    let (first, count) = match number("WEIR_WORLD") {
        Some(seed) => (seed, 1),
        None => (0, number("WEIR_WORLDS").unwrap_or(WORLDS)),
    };
    let (next, failed) = (AtomicU64::new(first), AtomicU64::new(u64::MAX));
    let all = Mutex::new(Ended::default());
    let look = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return;
            }
            match catch_unwind(|| world::run(seed)) {
                Ok(ended) => all.lock().unwrap().add(&ended),
                Err(_) => {
                    eprintln!("world {seed} failed; WEIR_WORLD={seed} runs it again");
                    failed.fetch_min(seed, Ordering::Relaxed);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        (0..threads).for_each(|_| drop(scope.spawn(look)));
    });
    let failed = failed.into_inner();
    assert_eq!(failed, u64::MAX, "world {failed} failed");
    let all = all.into_inner().unwrap();
    eprintln!("{count} worlds: {all:?}");
    // Worlds are worth something only if what they are for does happen in them.
    let happened =
        [all.whole, all.cut, all.lost, all.refused, all.failed, all.late, all.resumed, all.reloads];
    assert!(count < WORLDS || happened.iter().all(|count| *count > 0), "{all:?}");
}

#[test]
fn a_world_comes_to_the_same_end_again() {
    for seed in 0..4 {
        assert_eq!(world::run(seed), world::run(seed), "world {seed}");
    }
}
