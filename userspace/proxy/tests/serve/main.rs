//! A running worker between a client that sends exact bytes and an origin that answers by a script.
//!
//! What counts is what the origin saw and what the client got, byte for byte.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::let_underscore_must_use,
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "a test may fail by panicking, and its crate has no users"
)]

mod attacks;
mod balance;
mod bodies;
mod client;
mod endings;
mod events;
mod frames;
mod framing;
mod handshakes;
mod http2;
mod idle;
mod misframed;
mod mishaps;
mod mistakes;
mod origin;
mod origin2;
mod plans;
mod policies;
mod rig;
mod routes;
mod safety;
mod team;
mod tls;
mod upstream2;
#[path = "../floods/wire.rs"]
mod wire;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let missing = rig::missing();
    if let Some(reason) = &missing {
        eprintln!("ignored, because {reason}");
    }
    let tests = routes::TESTS
        .iter()
        .chain(bodies::TESTS)
        .chain(events::TESTS)
        .chain(framing::TESTS)
        .chain(attacks::TESTS)
        .chain(frames::TESTS)
        .chain(tls::TESTS)
        .chain(handshakes::TESTS)
        .chain(mishaps::TESTS)
        .chain(mistakes::TESTS)
        .chain(endings::TESTS)
        .chain(http2::TESTS)
        .chain(upstream2::TESTS)
        .chain(misframed::TESTS)
        .chain(policies::TESTS)
        .chain(balance::TESTS)
        .chain(safety::TESTS)
        .chain(idle::TESTS)
        .chain(team::TESTS);
    let trials = tests.map(|(name, test)| {
        let run = move || -> Result<(), Failed> {
            test();
            Ok(())
        };
        Trial::test(*name, run).with_ignored_flag(missing.is_some())
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

/// A named test.
pub type Test = (&'static str, fn());
