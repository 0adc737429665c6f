//! `cargo xtask run`: builds weir and starts it, with a demonstration of everything or with a real configuration.

use crate::{root, shell};
use anyhow::{Context, Result, ensure};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// Build weir and start it: without a configuration, a demonstration with an upstream, a certificate and a token
/// made on the spot; as root it stands in a network namespace behind a veth pair, with the XDP program attached.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run this configuration instead of the demonstration.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Run the demonstration without the kernel part, also as root.
    #[arg(long, conflicts_with = "config")]
    no_xdp: bool,
}

/// Builds, starts and waits; what was set up is taken down again at the end.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let root = root::folder();
    build(&root)?;
    let weir = root.join("target/release/weir");
    if let Some(config) = &arguments.config {
        return wait(Command::new(weir).arg("run").arg("--config").arg(config));
    }
    let directory = root.join("target/demo");
    if arguments.no_xdp {
        return wait(Command::new(weir).arg("demo").arg("--dir").arg(directory));
    }
    if !is_root()? {
        println!("not root: the same proxy, without the XDP program in front of it");
        return wait(Command::new(weir).arg("demo").arg("--dir").arg(directory));
    }
    let stage = Stage::set(&directory)?;
    let loadtest = root.join("target/release/weir-loadtest");
    println!("In a second shell, a flood to watch being dropped (100,000 packets in 5 s):");
    println!("  {} flood syn --netns {NAMESPACE} --to {INSIDE}:8080 --rate 20000", loadtest.display());
    println!("  {} shield status --socket {}/admin.sock\n", weir.display(), directory.display());
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/run/netns/{NAMESPACE}")).arg(&weir).args(["demo", "--address", INSIDE]);
    command.args(["--interface", DEVICE, "--dir"]).arg(&directory).arg("--pins").arg(stage.pins.join("weir"));
    wait(&mut command)
}

const NAMESPACE: &str = "weir-demo";
/// RFC 5737 sets this range aside for documentation.
const RANGE: &str = "198.51.100.";
const OUTSIDE: &str = "198.51.100.1";
const INSIDE: &str = "198.51.100.2";
/// The veth interface inside the namespace, where the program is attached; its twin outside is named after the namespace.
const DEVICE: &str = "eth0";

/// A namespace with a veth pair, and a bpffs for the pins. Dropping it takes both away.
struct Stage {
    pins: PathBuf,
}

impl Stage {
    fn set(directory: &Path) -> Result<Self> {
        let pins = directory.join("bpf");
        let stage = Self { pins };
        stage.strike(); // what a killed run left behind
        let addresses = shell::output(Command::new("ip").args(["-brief", "addr"]))?;
        ensure!(!addresses.contains(RANGE), "this host uses addresses {RANGE}* itself; use --no-xdp");
        std::fs::create_dir_all(&stage.pins)?;
        sh("mount", &["-t", "bpf", "bpf", &stage.pins.to_string_lossy()])?;
        let outside = format!("{OUTSIDE}/30");
        let inside = format!("{INSIDE}/30");
        for line in [
            &["netns", "add", NAMESPACE] as &[&str],
            &["link", "add", NAMESPACE, "type", "veth", "peer", "name", DEVICE, "netns", NAMESPACE],
            &["addr", "add", &outside, "dev", NAMESPACE],
            &["link", "set", NAMESPACE, "up"],
            &["-n", NAMESPACE, "addr", "add", &inside, "dev", DEVICE],
            &["-n", NAMESPACE, "link", "set", DEVICE, "up"],
            &["-n", NAMESPACE, "link", "set", "lo", "up"],
            // With a way back, a flood costs the host what it would cost on a real network.
            &["-n", NAMESPACE, "route", "add", "default", "via", OUTSIDE],
        ] {
            sh("ip", line)?;
        }
        Ok(stage)
    }

    /// Takes everything away that is there; what is not there is no error.
    fn strike(&self) {
        Command::new("ip").args(["netns", "del", NAMESPACE]).output().ok();
        Command::new("umount").arg(&self.pins).output().ok();
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.strike();
    }
}

fn build(root: &Path) -> Result<()> {
    println!("building weir and weir-loadtest (release)");
    let mut command = Command::new(shell::cargo());
    command.args(["build", "--release", "--package", "weir", "--package", "weir-loadtest"]).current_dir(root);
    // The paths printed and started below are under target/, wherever the user's settings would build.
    shell::run(command.arg("--target-dir").arg(root.join("target")))
}

/// Runs a program until it ends. A request to stop is passed on and not obeyed, so that cleaning up follows.
fn wait(command: &mut Command) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    // A terminal's interrupt reaches the program by itself; here it only must not end this one.
    flag::register(SIGINT, Arc::default())?;
    flag::register(SIGTERM, Arc::clone(&stop))?;
    let mut child = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let status = follow(&mut child, &stop)?;
    ensure!(status.success(), "weir ended with {status}");
    Ok(())
}

fn follow(child: &mut Child, stop: &AtomicBool) -> Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if stop.swap(false, Relaxed) {
            sh("kill", &["-TERM", &child.id().to_string()]).ok();
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

fn is_root() -> Result<bool> {
    Ok(shell::output(Command::new("id").arg("-u"))? == "0\n")
}

fn sh(program: &str, arguments: &[&str]) -> Result<()> {
    let output =
        Command::new(program).args(arguments).output().with_context(|| format!("cannot start {program}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {}: {}", arguments.join(" "), said.trim());
    Ok(())
}
