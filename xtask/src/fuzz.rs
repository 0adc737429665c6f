//! `cargo xtask fuzz`: one fuzz target for a while, with the stable compiler and without another tool.

use crate::root;
use crate::shell;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;
use std::process::Command;

/// What has the compiler count branches for libFuzzer, and stop at what release builds let pass. Comparisons are not traced:
/// a parser of texts makes so many that recording them takes most of the time.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Ccodegen-units=1 -Cdebug-assertions=yes -Coverflow-checks=yes";
/// The longest input, in bytes.
const INPUT_MAX: u32 = 4096;
/// How long one input may take, in seconds, and what all may take of memory, in MiB.
const LIMITS: [&str; 2] = ["-timeout=10", "-rss_limit_mb=2048"];

/// Run a fuzz target of `userspace/fuzz` and leave what it found below `target/fuzz`.
///
/// It begins with the committed corpus. An input that breaks something is kept as `crash-…`; put it into
/// `userspace/fuzz/corpus/TARGET`, where plain `cargo test` replays it, and mend what it breaks.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The target: a file in `userspace/fuzz/targets` without its `.rs`
    target: String,
    /// How long
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let root = root::folder();
    let home = root.join("userspace/fuzz");
    let target = &arguments.target;
    ensure!(
        home.join("targets").join(target).with_extension("rs").is_file(),
        "there is no target {target}; there are {}",
        names(&home.join("targets"))?
    );
    let build = root.join("target/fuzz/build");
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut cargo = shell::command("build");
    // With a triple the flags are not for build scripts, which link without libFuzzer.
    cargo.args(["--release", "--bin", target, "--target", &triple]).current_dir(&home);
    shell::run(cargo.env("RUSTFLAGS", FLAGS).env("CARGO_TARGET_DIR", &build))?;
    let found = root.join("target/fuzz").join(target);
    fs::create_dir_all(&found).with_context(|| format!("cannot make {}", found.display()))?;
    let mut fuzz = Command::new(build.join(&triple).join("release").join(target));
    fuzz.current_dir(&found).arg(&found).arg(home.join("corpus").join(target)).args(LIMITS);
    fuzz.arg(format!("-max_total_time={}", arguments.seconds)).arg(format!("-max_len={INPUT_MAX}"));
    shell::run(fuzz.arg("-print_final_stats=1"))
}

/// The targets that there are.
fn names(folder: &Path) -> Result<String> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let stem = |entry: fs::DirEntry| entry.path().file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let mut names: Vec<String> = entries.flatten().filter_map(stem).collect();
    names.sort();
    Ok(names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_is_not_there_is_named_beside_those_that_are() {
        let error = run(&Arguments { target: "nothing".to_owned(), seconds: 1 }).unwrap_err().to_string();
        assert!(error.contains("no target nothing") && error.contains("config"), "{error}");
    }
}
