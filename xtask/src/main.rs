//! The few verbs on which everything hangs.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is this program's job")]

mod bench;
mod component;
mod ebpf;
mod fuzz;
mod lint;
mod package;
mod root;
mod run;
mod shell;
mod test;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The few verbs on which everything hangs.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Run(run::Arguments),
    Bench(bench::Arguments),
    Test(test::Arguments),
    Lint(lint::Arguments),
    BuildEbpf(ebpf::Arguments),
    Fuzz(fuzz::Arguments),
    Package(package::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().verb {
        Verb::Run(arguments) => run::run(&arguments).map(|()| ExitCode::SUCCESS),
        Verb::Bench(arguments) => bench::run(&arguments),
        Verb::Test(arguments) => test::run(&arguments),
        Verb::Lint(arguments) => lint::run(&arguments).map(|()| ExitCode::SUCCESS),
        Verb::Package(arguments) => package::run(&arguments).map(|()| ExitCode::SUCCESS),
        Verb::Fuzz(arguments) => fuzz::run(&arguments).map(|()| ExitCode::SUCCESS),
        Verb::BuildEbpf(arguments) => ebpf::run(&arguments).map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
