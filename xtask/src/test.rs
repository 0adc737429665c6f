//! `cargo xtask test`: everything that must hold, in one command; the gate runs exactly this.

mod need;
mod sanitizer;
mod step;
mod suite;
mod tally;

use anyhow::Result;
use std::process::ExitCode;
use step::Steps;
use tally::Tally;

/// Check everything: format, house rules, the XDP object, clippy, and every test.
///
/// First says what this host lacks. Missing Debian packages are installed through apt, if this runs as root on Debian,
/// and said before. Tests that cannot run here are listed as skipped with the reason. The last line is the sum:
/// `N passed, N failed, N skipped`, where a step that fails counts as one.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Do not rebuild the XDP object to compare it with the committed one
    #[arg(long)]
    quick: bool,
    /// Test one room only (wire, message, schema, …, xtask), and leave out the checks of the whole tree
    #[arg(long, value_name = "NAME")]
    room: Option<String>,
    /// Run the tests of the reactor once more, watched by AddressSanitizer; takes some minutes the first time
    #[arg(long)]
    sanitize: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    need::meet();
    let packages = match &arguments.room {
        Some(room) => vec!["--package".to_owned(), package(room)],
        None => vec!["--workspace".to_owned()],
    };
    let mut steps = Steps::default();
    if arguments.room.is_none() {
        steps.run("format", crate::lint::format);
        steps.run("lint", crate::lint::rules);
        if !arguments.quick {
            steps.run("build-ebpf --check", crate::ebpf::check_committed);
        }
    }
    steps.run("clippy", || crate::lint::clippy(&packages));
    steps.run("build the tests", || suite::build(&packages));
    let mut tally = Tally::default();
    steps.run("run the tests", || suite::run(&packages, &mut tally));
    if arguments.sanitize {
        steps.run("sanitizer", sanitizer::run);
    }
    if arguments.room.is_none() {
        steps.run("package", crate::package::check);
    }
    Ok(report(&steps, &tally))
}

/// What `--room` means: a room by its short name, or a package by its own.
fn package(room: &str) -> String {
    match room {
        "xtask" | "weir" => room.to_owned(),
        room if room.starts_with("weir-") => room.to_owned(),
        room => format!("weir-{room}"),
    }
}

/// Prints the durations, what was skipped and what failed; the sum is the last line.
fn report(steps: &Steps, tally: &Tally) -> ExitCode {
    println!("\n{steps}");
    for (binary, reason, names) in tally.skipped() {
        println!("skipped in {binary}: {} ({reason})", names.join(", "));
    }
    for failure in steps.failures().chain(tally.failures()) {
        println!("failed: {failure}");
    }
    let failed = tally.failed() + steps.failures().count();
    if tally.passed() == 0 {
        println!("no test ran, and that is a failure too");
    }
    println!("{} passed, {failed} failed, {} skipped", tally.passed(), tally.ignored());
    if failed == 0 && tally.passed() > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
