//! What packages take from the command line's own description: completions and manual pages.

use super::Arguments;
use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::Shell;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Result<ExitCode> {
        clap_complete::generate(self.shell, &mut Arguments::command(), "weir", &mut std::io::stdout());
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(clap::Args)]
pub(crate) struct Man {
    /// Where to; one page for the program and one for each verb.
    directory: PathBuf,
}

impl Man {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let command = Arguments::command().disable_help_subcommand(true);
        clap_mangen::generate_to(command, &self.directory)
            .with_context(|| format!("cannot write into {}: make it first", self.directory.display()))?;
        Ok(ExitCode::SUCCESS)
    }
}
