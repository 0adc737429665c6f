//! Finding a compiler for bpfel-unknown-none: unpacked Debian packages, or a dated rustup nightly.

use super::setup;
use crate::shell;
use anyhow::{Context, Result, bail};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

const OVERRIDE: &str = "WEIR_EBPF_TOOLCHAIN";

/// A compiler, a linker and a stripper of one LLVM.
pub(super) struct Toolchain {
    pub(super) rustc: PathBuf,
    pub(super) linker: PathBuf,
    pub(super) objcopy: PathBuf,
    /// Where the standard library's own crates lie; remapped in the object.
    pub(super) sysroot: PathBuf,
    /// Whether `core` must be built from source, because it comes without this target.
    pub(super) builds_core: bool,
}

impl Toolchain {
    /// The toolchain the environment names, else the one under `target/`.
    pub(super) fn find(root: &Path) -> Result<Self> {
        if let Some(name) = env::var(OVERRIDE).ok().filter(|_| Self::is_nightly()) {
            return Self::nightly(&name);
        }
        let folder = Self::folder(root);
        if setup::is_complete(&folder) {
            return Ok(Self::unpacked(&folder));
        }
        bail!(
            "no eBPF toolchain in {}: run `cargo xtask build-ebpf --setup` (see `cargo xtask build-ebpf --help`)",
            folder.display()
        )
    }

    /// Whether the environment asks for a toolchain of rustup, which is not unpacked anywhere.
    pub(super) fn is_nightly() -> bool {
        env::var(OVERRIDE).is_ok_and(|name| name.starts_with("nightly-"))
    }

    /// Where the unpacked toolchain lies or will lie.
    pub(super) fn folder(root: &Path) -> PathBuf {
        env::var_os(OVERRIDE).map_or_else(|| root.join("target/ebpf-toolchain"), PathBuf::from)
    }

    /// The toolchain that `--setup` unpacked.
    pub(super) fn unpacked(folder: &Path) -> Self {
        Self {
            rustc: folder.join("bin/rustc"),
            linker: folder.join("bin/bpf-linker"),
            objcopy: folder.join("bin/llvm-objcopy"),
            sysroot: folder.join("sysroot/usr"),
            builds_core: false,
        }
    }

    /// A dated nightly of rustup; its bpf-linker and llvm-objcopy are those on the path.
    fn nightly(name: &str) -> Result<Self> {
        if !is_dated(name) {
            bail!("{OVERRIDE}={name}: only a dated nightly (nightly-2026-05-20) gives the same object twice");
        }
        let rustc = shell::output(Command::new("rustup").args(["which", "--toolchain", name, "rustc"]))
            .with_context(|| format!("{OVERRIDE}={name}: rustup has no such toolchain"))?;
        let sysroot = shell::output(Command::new(rustc.trim()).args(["--print", "sysroot"]))?;
        let sysroot = PathBuf::from(sysroot.trim());
        if !sysroot.join("lib/rustlib/src/rust/library").is_dir() {
            bail!("{name} has no rust-src: run `rustup component add rust-src --toolchain {name}`");
        }
        Ok(Self {
            rustc: PathBuf::from(rustc.trim()),
            linker: PathBuf::from("bpf-linker"),
            objcopy: PathBuf::from("llvm-objcopy"),
            sysroot,
            builds_core: true,
        })
    }

    /// What made an object, for its manifest. The committed bytes can be expected only from the same tools.
    pub(super) fn versions(&self) -> Result<Vec<(&'static str, String)>> {
        let rustc = shell::output(Command::new(&self.rustc).arg("-vV"))?;
        let field = |name: &str| rustc.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("unknown");
        let linker = shell::output(Command::new(&self.linker).arg("--version"))?;
        Ok(vec![
            ("rustc", field("rustc ").to_owned()),
            ("llvm", field("LLVM version: ").to_owned()),
            ("linker", linker.trim().to_owned()),
            ("flags", super::build::FLAGS.join(" ")),
        ])
    }
}

fn is_dated(name: &str) -> bool {
    let date = name.trim_start_matches("nightly-").as_bytes();
    date.len() == 10
        && date.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

/// Writes a program that runs another one with the toolchain's own libraries, wherever the folder is moved.
pub(super) fn write_wrapper(folder: &Path, name: &str, program: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("bin").join(name);
    let libraries = setup::library_folders().map(|library| format!("$folder/{library}")).join(":");
    let text = format!(
        "#!/bin/sh\nfolder=$(dirname \"$(dirname \"$(readlink -f \"$0\")\")\")\n\
         LD_LIBRARY_PATH={libraries} exec \"$folder/{program}\" \"$@\"\n"
    );
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_date_makes_a_nightly_repeatable() {
        for (name, expect) in [
            ("nightly-2026-05-20", true),
            ("nightly", false),
            ("nightly-x86_64-unknown-linux-gnu", false),
            ("nightly-2026-5-20", false),
        ] {
            assert_eq!(is_dated(name), expect, "{name}");
        }
    }
}
