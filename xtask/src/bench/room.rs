//! The benches of the rooms: each prints for people and leaves its rows in a file.

use super::Part;
use super::row::Row;
use crate::shell;
use anyhow::{Context, Result};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// One bench and what it leaves.
pub(super) struct Room {
    pub(super) part: Part,
    pub(super) package: &'static str,
    pub(super) bench: &'static str,
    /// Below `target/bench`.
    file: &'static str,
}

pub(super) const ROOMS: [Room; 9] = [
    Room { part: Part::Xdp, package: "weir-kernel", bench: "xdp", file: "xdp.json" },
    Room { part: Part::Reactor, package: "weir-reactor", bench: "relay", file: "reactor.json" },
    Room { part: Part::Plan, package: "weir-plan", bench: "plan", file: "plan.json" },
    Room { part: Part::Plan, package: "weir", bench: "reload", file: "reload.json" },
    Room { part: Part::Plan, package: "weir", bench: "scrape", file: "scrape.json" },
    Room { part: Part::Plan, package: "weir-meter", bench: "meter", file: "log.json" },
    Room { part: Part::Balance, package: "weir-plan", bench: "plan", file: "plan.json" },
    Room { part: Part::Policy, package: "weir-policy", bench: "jwt", file: "jwt.json" },
    Room { part: Part::Policy, package: "weir-policy", bench: "policy", file: "policy.json" },
];

impl Room {
    /// Compiles it, so that its run takes as long as measuring does.
    pub(super) fn build(&self, root: &Path) -> Result<()> {
        let mut command = shell::command("bench");
        command.args(["--package", self.package, "--bench", self.bench, "--no-run"]);
        shell::run(command.current_dir(root))
    }

    /// Runs it and reads its rows; a bench that leaves none has none to compare.
    pub(super) fn run(&self, root: &Path, quick: bool, since: SystemTime) -> Result<Vec<Row>> {
        let file = root.join("target/bench").join(self.file);
        // Several files may come from one bench, which need not run again.
        if !is_newer(&file, since) {
            fs::remove_file(&file).ok();
            println!("\n{} {}", self.package, self.bench);
            let mut command = shell::command("bench");
            command.args(["--package", self.package, "--bench", self.bench]).current_dir(root);
            if quick {
                command.args(["--", "--quick"]);
            }
            shell::run(&mut command)?;
        }
        read(&file)
    }
}

fn is_newer(file: &Path, since: SystemTime) -> bool {
    fs::metadata(file).and_then(|data| data.modified()).is_ok_and(|at| at >= since)
}

/// The rows of a file: those of its objects that have an id. The others are a bench's own.
fn read(file: &Path) -> Result<Vec<Row>> {
    let Ok(text) = fs::read_to_string(file) else { return Ok(Vec::new()) };
    let value: Value =
        serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))?;
    let list = value.as_array().or_else(|| value.get("rows")?.as_array()).cloned().unwrap_or_default();
    Ok(list.into_iter().filter(|row| row.get("id").is_some_and(Value::is_string)).map(Row).collect())
}
