//! What was measured on what: figures without it mean nothing.

use crate::{root, shell};
use std::fs;
use std::process::Command;

/// Processor, kernel, and which version was measured, in one line.
pub(super) fn describe() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let model =
        cpuinfo.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("an unnamed processor");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{}, {cores} cores; Linux {}; {}.",
        model.trim_start_matches(['\t', ' ', ':']),
        kernel.trim(),
        version()
    )
}

/// The commit, and whether anything was changed since.
fn version() -> String {
    let mut git = Command::new("git");
    git.args(["describe", "--always", "--dirty", "--abbrev=12"]).current_dir(root::folder());
    // A tree without its history is measured as well.
    shell::output(&mut git).map_or_else(|_| "no commit".to_owned(), |said| format!("commit {}", said.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_cores_and_a_kernel() {
        let told = describe();
        assert!(told.contains(" cores; Linux ") && !told.contains(", 0 cores"), "{told}");
    }
}
