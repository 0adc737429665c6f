//! The few verbs on which everything hangs.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is this program's job")]

mod component;
mod ebpf;
mod lint;
mod root;
mod shell;

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
    Lint(lint::Arguments),
    BuildEbpf(ebpf::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().verb {
        Verb::Lint(arguments) => lint::run(&arguments),
        Verb::BuildEbpf(arguments) => ebpf::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
