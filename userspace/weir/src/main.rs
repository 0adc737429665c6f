//! The program: command line, boot, and the running appliance.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program speaks by printing")]

mod appliance;
mod boot;
mod census;
mod change;
mod crew;
mod demo;
mod descriptors;
mod doors;
mod failure;
mod files;
mod generations;
mod guard;
mod load;
mod lockout;
mod logbook;
mod lookout;
mod powers;
mod rehearsal;
mod succession;
mod verb;
mod voice;

use clap::Parser;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    voice::begin();
    match verb::Arguments::parse().verb.run() {
        Ok(code) => code,
        Err(error) => failure::report(&error),
    }
}
