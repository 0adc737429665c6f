//! `setup`: installs the peers from the distribution.

use anyhow::{Context, Result, bail, ensure};
use std::process::{Command, ExitCode};

/// Packages, and the program by which each is known to be there.
const PACKAGES: [(&str, &str); 2] = [("nginx-light", "nginx"), ("haproxy", "haproxy")];

/// Install nginx and HAProxy from Debian, where they are missing. They are not started.
#[derive(clap::Args)]
pub(crate) struct Setup {
    /// Say what is missing and install nothing.
    #[arg(long)]
    check: bool,
}

impl Setup {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let missing: Vec<&str> = PACKAGES
            .iter()
            .filter(|(package, program)| crate::peer::find(program, package).is_err())
            .map(|(package, _)| *package)
            .collect();
        if missing.is_empty() {
            println!("nothing is missing");
            return Ok(ExitCode::SUCCESS);
        }
        println!("missing: {}", missing.join(" "));
        if self.check {
            return Ok(ExitCode::FAILURE);
        }
        ensure!(nix::unistd::geteuid().is_root(), "installing packages needs root");
        // Debian starts what it installs; peers are started by this program only.
        let status = Command::new("apt-get")
            .args(["install", "-y", "--no-install-recommends"])
            .args(&missing)
            .envs([("DEBIAN_FRONTEND", "noninteractive"), ("RUNLEVEL", "1")])
            .status()
            .context("apt-get is needed")?;
        if !status.success() {
            bail!("apt-get ended with {status}");
        }
        Ok(ExitCode::SUCCESS)
    }
}
