//! A loopback of our own: a network namespace with nothing else in it, so that packets can be as small as on a wire.

use crate::siege::field::ip;
use anyhow::{Context, Result, ensure};
use std::process::{Command, ExitStatus};

/// What Linux gives a loopback.
const MTU: u32 = 65_536;

/// Runs this program again in such a namespace, and takes it away afterwards.
pub(crate) fn enter_anew(arguments: &[String]) -> Result<ExitStatus> {
    ensure!(nix::unistd::geteuid().is_root(), "`mtu` wants a network namespace, which needs root");
    let made = Made(format!("weir-{:x}-{:x}", std::process::id(), crate::measure::machine::moment()));
    let Made(name) = &made;
    ip(&format!("netns add {name}"))?;
    ip(&format!("-n {name} link set lo up"))?;
    let own = std::env::current_exe().context("this program does not know where it is")?;
    let mut command = Command::new("ip");
    command.args(["netns", "exec", name]).arg(own).args(arguments).arg("--alone");
    command.status().context("ip (package iproute2) is needed")
}

/// Sets the largest packet of the loopback; without a wish, the usual one.
pub(crate) fn set_mtu(bytes: Option<u32>) -> Result<()> {
    ip(&format!("link set lo mtu {}", bytes.unwrap_or(MTU)))
}

struct Made(String);

impl Drop for Made {
    fn drop(&mut self) {
        ip(&format!("netns delete {}", self.0)).ok();
    }
}
