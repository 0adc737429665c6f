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
mod rehearsal;
mod succession;
mod unserved;
mod verb;

use clap::Parser;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_env("WEIR_LOG").unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false).with_env_filter(filter).init();
    match verb::Arguments::parse().verb.run() {
        Ok(code) => code,
        Err(error) => failure::report(&error),
    }
}
