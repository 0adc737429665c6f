//! Two network namespaces joined by a veth pair: clients and attackers in one, weir in the other. Nothing leaves them.

use anyhow::{Context, Result, bail, ensure};
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, ExitStatus};

/// RFC 5737 sets this range aside for documentation; it exists inside the namespaces only.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
/// The interface on the server's side, to which the shield is attached.
pub(crate) const INTERFACE: &str = "edge";

/// The namespaces by name.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) server: String,
}

impl Field {
    /// Runs this program again inside a field of its own, and takes the field away afterwards.
    pub(crate) fn enter_anew(arguments: &[String]) -> Result<ExitStatus> {
        ensure!(nix::unistd::geteuid().is_root(), "a siege makes network namespaces, which needs root");
        let name = format!("{}{:x}", own_prefix(std::process::id()), crate::measure::machine::moment());
        let made = Made { server: format!("{name}-s"), client: format!("{name}-c") };
        made.build()?;
        let own = std::env::current_exe().context("this program does not know where it is")?;
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &made.client])
            .arg(own)
            .args(arguments)
            .args(["--field", &made.server]);
        command.status().context("ip (package iproute2) is needed")
    }

    /// The field that this process stands in; refused unless it is the one that the process which started this one made.
    pub(crate) fn around(server: &str) -> Result<Self> {
        let maker = u32::try_from(nix::unistd::getppid().as_raw()).context("this process has no parent")?;
        ensure!(
            server.starts_with(&own_prefix(maker)),
            "refused: a siege goes only into namespaces that it made itself, and {server} is none of them"
        );
        crate::target::confine(server, IpAddr::V4(SERVER))?;
        Ok(Self { server: server.to_owned() })
    }
}

/// How the namespaces of a process begin.
fn own_prefix(process: u32) -> String {
    format!("weir-{process:x}-")
}

struct Made {
    server: String,
    client: String,
}

impl Made {
    fn build(&self) -> Result<()> {
        let Self { server, client } = self;
        for line in [
            format!("netns add {server}"),
            format!("netns add {client}"),
            format!("link add {INTERFACE} netns {server} type veth peer name {INTERFACE} netns {client}"),
            format!("-n {server} addr add {SERVER}/24 dev {INTERFACE}"),
            format!("-n {client} addr add {CLIENT}/24 dev {INTERFACE}"),
            format!("-n {server} link set lo up"),
            format!("-n {client} link set lo up"),
            format!("-n {server} link set {INTERFACE} up"),
            format!("-n {client} link set {INTERFACE} up"),
            // With a way back to invented sources, a flood costs the server what it would on a real network.
            format!("-n {server} route add default via {CLIENT}"),
        ] {
            ip(&line)?;
        }
        Ok(())
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for name in [&self.server, &self.client] {
            Command::new("ip").args(["netns", "delete", name]).output().ok();
        }
    }
}

/// Runs `ip` with these words.
pub(crate) fn ip(line: &str) -> Result<()> {
    let output =
        Command::new("ip").args(line.split(' ')).output().context("ip (package iproute2) is needed")?;
    if !output.status.success() {
        bail!("ip {line}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
