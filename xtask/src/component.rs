//! The parts of a Rust toolchain that a minimal installation lacks.

use crate::shell;
use anyhow::{Context, Result, bail};
use std::process::Command;

/// Makes sure that a component is there; rustup is asked for it, which is said first.
pub(crate) fn require(component: &str, subcommand: &str) -> Result<()> {
    if is_there(subcommand) {
        return Ok(());
    }
    if !shell::has("rustup") {
        bail!(
            "{component} is missing and there is no rustup to ask for it: install {component} for this toolchain"
        );
    }
    println!("{component} is missing: rustup component add {component}");
    shell::run(Command::new("rustup").args(["component", "add", component]))
        .with_context(|| format!("install {component} by hand, then run this again"))
}

/// Whether the subcommand runs; rustup leaves a proxy in the path for components it does not have.
fn is_there(subcommand: &str) -> bool {
    let mut command = Command::new(subcommand);
    command.arg("--version").stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
