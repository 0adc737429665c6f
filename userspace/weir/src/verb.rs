//! The command line: one file per family of verbs.

mod bans;
mod certs;
mod config;
mod credential;
mod demo;
mod diff;
mod doctor;
mod generations;
mod manual;
mod respond;
mod run;
mod running;
mod shield;
mod text;
mod trace;
mod upstream;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// The configuration that is meant when none is named.
pub(crate) const CONFIG: &str = "/etc/weir/weir.yaml";
/// The admin socket that is meant when none is named.
pub(crate) const SOCKET: &str = "/run/weir/admin.sock";
/// Where what must outlive the program is kept if nobody names a directory.
pub(crate) const STATE: &str = "/var/lib/weir";

#[derive(Parser)]
#[command(name = "weir", version, about = "An edge appliance: XDP in the kernel, an io_uring proxy above it")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Run the appliance.
    Run(run::Run),
    /// Run the appliance with a configuration, certificate, token and upstream made on the spot.
    Demo(demo::Demo),
    /// Check a configuration and say everything that is wrong with it.
    Validate(config::Validate),
    /// Explain the code of a diagnostic, or a key of the configuration.
    Explain(config::Explain),
    /// Put a configuration file in its one tidy form; comments are kept.
    Fmt(text::Fmt),
    /// Show the configuration as it holds: files merged, secrets covered.
    Render(text::Render),
    /// Print the JSON Schema of the configuration, for editors.
    Schema,
    /// Write a first configuration.
    Init(text::Init),
    /// What runs: version, generation, workers, listeners, shield.
    Status(running::Status),
    /// Make the running program take its configuration anew.
    Reload(running::Reload),
    /// Take a configuration from any file; with --confirm, go back by itself unless it is confirmed in time.
    Apply(generations::Apply),
    /// Keep the configuration that `weir apply --confirm` has brought into force.
    Confirm(generations::Confirm),
    /// The configurations that were in force and can be taken again.
    Generations(generations::List),
    /// Go back to an earlier configuration.
    Rollback(generations::Rollback),
    /// What would change if the running program took its configuration, or another one.
    Diff(diff::Diff),
    /// What would become of a request: listener, routes, policies, target. Nothing is sent.
    Trace(trace::Trace),
    /// Look at and steer the shield of the running program.
    #[command(subcommand)]
    Shield(shield::Shield),
    /// Look at upstreams and steer their targets.
    #[command(subcommand)]
    Upstream(upstream::Upstream),
    /// The certificates that listeners present.
    #[command(subcommand)]
    Certs(certs::Certs),
    /// Make an API key, or the digest by which a configuration may name one.
    HashKey(credential::HashKey),
    /// Look into tokens.
    #[command(subcommand)]
    Jwt(credential::Jwt),
    /// What this host has and lacks for weir, with the command that mends each lack.
    Doctor(doctor::Doctor),
    /// Run a small test server that answers with what it received.
    Respond(respond::Respond),
    /// Print what makes a shell complete the words of this command.
    Completions(manual::Completions),
    /// Write the manual pages into a directory.
    Man(manual::Man),
}

impl Verb {
    pub(crate) fn run(self) -> Result<ExitCode> {
        // Those that serve must survive whoever reads what they say; the others print for a reader.
        if !matches!(self, Self::Run(_) | Self::Demo(_) | Self::Respond(_)) {
            weir_reactor::end_with_reader();
        }
        match self {
            Self::Run(run) => run.run(),
            Self::Demo(demo) => demo.run(),
            Self::Validate(validate) => validate.run(),
            Self::Explain(explain) => explain.run(),
            Self::Fmt(fmt) => fmt.run(),
            Self::Render(render) => render.run(),
            Self::Schema => Ok(text::schema()),
            Self::Init(init) => init.run(),
            Self::Status(status) => status.run(),
            Self::Reload(reload) => reload.run(),
            Self::Apply(apply) => apply.run(),
            Self::Confirm(confirm) => confirm.run(),
            Self::Generations(list) => list.run(),
            Self::Rollback(rollback) => rollback.run(),
            Self::Diff(diff) => diff.run(),
            Self::Trace(trace) => trace.run(),
            Self::Shield(shield) => shield.run(),
            Self::Doctor(doctor) => doctor.run(),
            Self::Upstream(upstream) => upstream.run(),
            Self::Certs(certs) => certs.run(),
            Self::HashKey(hash) => hash.run(),
            Self::Jwt(jwt) => jwt.run(),
            Self::Respond(respond) => respond.run(),
            Self::Completions(completions) => completions.run(),
            Self::Man(man) => man.run(),
        }
    }
}

/// How a verb prints what it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Where the running program is asked.
#[derive(clap::Args)]
pub(crate) struct Asking {
    /// The admin socket of the running program.
    #[arg(long, env = "WEIR_SOCKET", default_value = SOCKET)]
    socket: PathBuf,
    /// How to print.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
}
