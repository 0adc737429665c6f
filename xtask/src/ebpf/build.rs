//! Compiling `ebpf/xdp` with every path remapped, and stripping what only a debugger wants.

use super::toolchain::Toolchain;
use crate::shell;
use anyhow::{Context, Result};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Flags that shape the code. `v3` is not an optimisation: below it the verifier refuses packet pointers that were
/// loaded as 32 bits. BTF is derived from the debug information, hence `debuginfo`.
pub(super) const FLAGS: [&str; 3] = ["-Clink-arg=--btf", "-Cdebuginfo=2", "-Ctarget-cpu=v3"];

const TARGET: &str = "bpfel-unknown-none";

/// Builds the object and returns its bytes, stripped of DWARF, with BTF.
pub(super) fn object(root: &Path, toolchain: &Toolchain) -> Result<Vec<u8>> {
    let target = root.join("target/ebpf-build");
    println!("building ebpf/xdp for {TARGET} with {}", toolchain.rustc.display());
    shell::run(cargo(root, toolchain).args(["fetch", "--locked"]))?;
    let mut build = cargo(root, toolchain);
    build.args(["build", "--release", "--locked", "--target", TARGET, "--target-dir"]).arg(&target);
    if toolchain.builds_core {
        build.arg("-Zbuild-std=core");
    }
    build.env("CARGO_ENCODED_RUSTFLAGS", flags(root, toolchain)?.join("\u{1f}"));
    shell::run(&mut build)?;

    let linked = target.join(TARGET).join("release/weir-xdp");
    let stripped = target.join("weir.bpf.o");
    shell::run(Command::new(&toolchain.objcopy).arg("--strip-debug").args([&linked, &stripped]))?;
    fs::read(&stripped).with_context(|| format!("cannot read {}", stripped.display()))
}

/// Cargo with nothing in its environment that would change the object.
fn cargo(root: &Path, toolchain: &Toolchain) -> Command {
    let mut command = Command::new(shell::cargo());
    command
        .current_dir(root.join("ebpf"))
        .env("RUSTC", &toolchain.rustc)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS", "fallback")
        .env("CARGO_INCREMENTAL", "0");
    for name in
        ["RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_TARGET", "RUSTDOCFLAGS"]
    {
        command.env_remove(name);
    }
    let profile = env::vars_os().map(|(name, _)| name);
    for name in profile.filter(|name| name.to_string_lossy().starts_with("CARGO_PROFILE_")) {
        command.env_remove(name);
    }
    command
}

fn flags(root: &Path, toolchain: &Toolchain) -> Result<Vec<String>> {
    let mut flags: Vec<String> = FLAGS.iter().map(|&flag| flag.to_owned()).collect();
    flags.push(format!("-Clinker={}", toolchain.linker.display()));
    // The last prefix that fits wins, so the narrow ones come last.
    let home = cargo_home()?;
    let mut remaps =
        vec![(root.to_owned(), "/weir"), (toolchain.sysroot.clone(), "/rust"), (home.clone(), "/cargo")];
    // The folder of crates is named after the registry they came from, which may be a mirror.
    let registries = home.join("registry/src");
    for entry in fs::read_dir(&registries).with_context(|| format!("cannot read {}", registries.display()))? {
        remaps.push((entry?.path(), "/crates"));
    }
    flags.extend(remaps.iter().map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display())));
    Ok(flags)
}

fn cargo_home() -> Result<PathBuf> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    home.or_else(|| env::home_dir().map(|home| home.join(".cargo"))).context("no home folder: set CARGO_HOME")
}
