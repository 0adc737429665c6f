//! The package tried out: installed, run by hand, upgraded and purged, in a root that this system does not notice.

use crate::{root, shell};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is done inside, in namespaces of its own. Each line that fails ends it with its number.
const SCRIPT: &str = include_str!("trial.sh");
/// The Debian that `--debootstrap` makes.
const SUITE: &str = "bookworm";

/// Why this system cannot try a package out.
pub(super) fn missing() -> Option<&'static str> {
    let filesystems = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if !nix::unistd::geteuid().is_root() {
        Some("trying a package out needs root")
    } else if !["dpkg-deb", "strip", "gzip", "unshare", "chroot", "ip", "curl"]
        .iter()
        .all(|tool| shell::has(tool))
    {
        Some("trying a package out needs dpkg, binutils, util-linux, iproute2 and curl")
    } else if !filesystems.contains("overlay") {
        Some("trying a package out needs overlayfs")
    } else {
        None
    }
}

/// Tries a package, and another that is newer.
pub(super) fn run(package: &Path, newer: &Path, debootstrap: bool) -> Result<()> {
    if let Some(why) = missing() {
        anyhow::bail!(why);
    }
    let lower = if debootstrap { debian()? } else { PathBuf::from("/") };
    let room = root::folder().join("target/package/trial");
    if room.exists() {
        fs::remove_dir_all(&room)?;
    }
    fs::create_dir_all(&room)?;
    let script = room.join("trial.sh");
    fs::write(&script, SCRIPT)?;
    let mut command = Command::new("unshare");
    command.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--", "timeout", "120", "sh", "-e"]);
    command.args([script.as_path(), &lower, &room, package, newer]);
    shell::run(&mut command).context("the package does not do what it should; the line before says what")
}

/// A fresh Debian, made once.
fn debian() -> Result<PathBuf> {
    let folder = root::folder().join("target/package").join(SUITE);
    if folder.join("etc/debian_version").exists() {
        return Ok(folder);
    }
    ensure!(shell::has("debootstrap"), "debootstrap is missing: apt-get install debootstrap");
    let half = folder.with_extension("half");
    println!("making a fresh Debian in {}, once", folder.display());
    shell::run(Command::new("debootstrap").args(["--variant=minbase", SUITE]).arg(&half))?;
    fs::rename(half, &folder)?;
    Ok(folder)
}
