//! Proves what the appliance does: floods, so far, into network namespaces on this host only.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program speaks by printing")]

mod flood;
mod packet;
mod target;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "weir-loadtest", version, about)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Send a bounded flood of packets from invented sources to an address inside a network namespace.
    Flood(flood::Flood),
}

fn main() -> ExitCode {
    let Verb::Flood(flood) = Arguments::parse().verb;
    match flood.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("weir-loadtest: {error:#}");
            ExitCode::FAILURE
        }
    }
}
