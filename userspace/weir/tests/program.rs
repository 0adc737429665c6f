//! The program as its operators meet it: real processes, real curl, exit codes and words.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "program/process.rs"]
mod process;
#[path = "program/refusals.rs"]
mod refusals;
#[path = "program/service.rs"]
mod service;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let trials: Vec<Trial> = refusals::trials().into_iter().chain(service::trials()).collect();
    libtest_mimic::run(&arguments, trials).exit();
}
