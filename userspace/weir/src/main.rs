//! The program: command line, boot, and the running appliance.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program speaks by printing")]

mod failure;
mod files;
mod verb;

use clap::Parser;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match verb::Arguments::parse().verb.run() {
        Ok(code) => code,
        Err(error) => failure::report(&error),
    }
}
