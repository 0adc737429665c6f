//! Loads a host as its clients and its enemies would, and reports what it did: weir, nginx and HAProxy alike.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program speaks by printing")]

mod client;
mod engine;
mod flood;
mod load;
mod loopback;
mod measure;
mod origin;
mod packet;
mod peer;
mod report;
mod scenario;
mod siege;
mod target;
mod trial;
mod verb;
mod verdict;

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
    Run(verb::run::Run),
    Compare(verb::compare::Compare),
    Schema(verb::schema::Schema),
    Setup(verb::setup::Setup),
    /// Send a bounded flood of packets from invented sources to an address inside a network namespace.
    Flood(flood::Flood),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().verb {
        Verb::Run(run) => run.run(),
        Verb::Compare(compare) => compare.run(),
        Verb::Schema(_) => verb::schema::Schema::run(),
        Verb::Setup(setup) => setup.run(),
        Verb::Flood(flood) => flood.run().map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("weir-loadtest: {error:#}");
        ExitCode::FAILURE
    })
}
