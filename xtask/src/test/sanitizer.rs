//! The reactor's tests under AddressSanitizer: its unsafe code, watched while streams are cut off at every point where they
//! wait, on the simulated kernel and on the real one.

use crate::{root, shell};
use anyhow::Result;
use std::env::consts::ARCH;

/// Builds everything that the tests consist of anew, in a folder of its own, and runs them one program after the other.
pub(super) fn run() -> Result<()> {
    let mut command = shell::command("test");
    command.args(["--package", "weir-reactor", "--locked", "--lib", "--tests"]);
    // A target of its own keeps the sanitizer out of build scripts, which run without it.
    command.args(["--target", &format!("{ARCH}-unknown-linux-gnu")]).current_dir(root::folder());
    // The sanitizer puts a guard around everything that is allocated, so what a connection costs is not to be measured here.
    command.args(["--", "--skip", "an_idle_connection_costs_at_most_512_bytes"]);
    command.env("CARGO_TARGET_DIR", root::folder().join("target/sanitizer"));
    command.env("RUSTFLAGS", "-Zsanitizer=address -Cforce-frame-pointers=yes").env("RUSTC_BOOTSTRAP", "1");
    // What the process holds at its end is looked at by the tests themselves, which count.
    command.env("ASAN_OPTIONS", "detect_leaks=0:detect_stack_use_after_return=1");
    shell::run(&mut command)
}
