//! The verb that everything else is about.

use super::{CONFIG, STATE};
use crate::boot;
use crate::powers::Powers;
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
    /// Keep everything that root may do, such as reading files that belong to others. Without this, what the program does not
    /// need is given up at the start.
    #[arg(long)]
    privileged: bool,
}

impl Run {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let powers = if self.privileged { Powers::keep() } else { Powers::lay_down() };
        boot::run(&self.config, &self.state, powers, || ())
    }
}
