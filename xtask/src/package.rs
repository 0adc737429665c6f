//! `cargo xtask package`: a Debian package with everything that belongs to weir on a host.

mod tree;
mod trial;

use crate::{root, shell};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What an installation may take on disk, in bytes.
const INSTALLED_BYTES_MAX: u64 = 30_000_000;

/// Build a Debian package: program, unit, manual pages, completions, configuration, documentation.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Pack this program instead of building one in release mode
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Install, run, upgrade and purge the package in a root of its own; needs root
    #[arg(long)]
    test: bool,
    /// Test in a fresh Debian from debootstrap, made once and kept under target/, instead of a copy-on-write view of this system
    #[arg(long, requires = "test")]
    debootstrap: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let binary = match &arguments.binary {
        Some(binary) => binary.clone(),
        None => {
            shell::run(shell::command("build").args(["--release", "--locked", "--package", "weir"]))?;
            root::folder().join("target/release/weir")
        }
    };
    let package = build(&binary, env!("CARGO_PKG_VERSION"))?;
    println!("{}: {} bytes installed", package.file.display(), package.installed_bytes);
    if arguments.binary.is_none() {
        ensure!(
            package.installed_bytes < INSTALLED_BYTES_MAX,
            "{} bytes installed, {INSTALLED_BYTES_MAX} are the most",
            package.installed_bytes
        );
    }
    if arguments.test {
        let newer = build(&binary, concat!(env!("CARGO_PKG_VERSION"), "+next"))?;
        trial::run(&package.file, &newer.file, arguments.debootstrap)?;
    }
    Ok(())
}

/// The test that the gate runs: with the program that the tests were run with, on a view of this system.
pub(crate) fn check() -> Result<()> {
    if let Some(why) = trial::missing() {
        println!("skipped: {why}");
        return Ok(());
    }
    let binary = root::folder().join("target/debug/weir");
    ensure!(binary.exists(), "{} is missing: run the tests first", binary.display());
    run(&Arguments { binary: Some(binary), test: true, debootstrap: false })
}

/// A package on disk.
struct Package {
    file: PathBuf,
    installed_bytes: u64,
}

fn build(binary: &Path, version: &str) -> Result<Package> {
    let architecture = shell::output(Command::new("dpkg").arg("--print-architecture"))
        .context("packages are made by dpkg: apt-get install dpkg")?;
    let name = format!("weir_{version}_{}", architecture.trim());
    let folder = root::folder().join("target/package");
    let tree = tree::Tree::new(folder.join(&name))?;
    let installed_bytes = tree.fill(&root::folder(), binary)?;
    tree.control(version, architecture.trim(), installed_bytes)?;
    let file = folder.join(format!("{name}.deb"));
    let mut command = Command::new("dpkg-deb");
    command.args(["--root-owner-group", "-Zxz", "-z1", "--build"]).arg(tree.folder()).arg(&file);
    shell::run(command.stdout(std::process::Stdio::null()))?;
    Ok(Package { file, installed_bytes })
}
