//! The verb that everything else is about.

use super::{CONFIG, STATE};
use crate::boot;
use anyhow::Result;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Run {
    /// The configuration. Files of `conf.d` beside it belong to it.
    #[arg(short, long, default_value = CONFIG)]
    config: PathBuf,
    /// Where earlier configurations are kept.
    #[arg(long, env = "STATE_DIRECTORY", default_value = STATE)]
    state: PathBuf,
}

impl Run {
    pub(crate) fn run(self) -> Result<ExitCode> {
        boot::run(&self.config, &self.state, || ())
    }
}
