//! weir, nginx and HAProxy side by side, by the scenarios of the load test that decide goals.

use super::row::Row;
use crate::shell;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Rounds of a quick run.
const QUICK: &str = "3";

/// Builds what is needed.
pub(super) fn build(root: &Path) -> Result<()> {
    let mut build = shell::command("build");
    build.args(["--release", "--package", "weir", "--package", "weir-loadtest"]).current_dir(root);
    build.arg("--target-dir").arg(root.join("target"));
    shell::run(&mut build)?;
    floor(root).map(drop)
}

/// Runs every scenario whose name begins with `p`, and gathers the rows of their reports.
pub(super) fn run(root: &Path, quick: bool, failures: &mut Vec<String>) -> Result<Vec<Row>> {
    let floor = floor(root)?;
    let program = root.join("target/release/weir-loadtest");
    let mut setup = Command::new(&program);
    shell::run(setup.arg("setup"))?;
    let mut rows = Vec::new();
    for scenario in scenarios(root)? {
        let mut command = Command::new(&program);
        command.arg("run").arg(&scenario).current_dir(root);
        command.arg("--weir").arg(root.join("target/release/weir")).arg("--floor").arg(&floor);
        let name = scenario.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if quick {
            command.args(["--rounds", QUICK, "--goals-only"]);
        }
        let status = command.status().context("cannot start weir-loadtest")?;
        if !status.success() {
            failures.push(format!("{name}: {status}"));
        }
        if status.success() || status.code() == Some(i32::from(super::FALLEN)) {
            rows.extend(report(&root.join("target/bench").join(&name).join("report.json"))?);
        }
    }
    Ok(rows)
}

fn scenarios(root: &Path) -> Result<Vec<PathBuf>> {
    let folder = root.join("loadtest/scenarios");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with('p')));
    files.sort();
    ensure!(!files.is_empty(), "{} holds no scenarios", folder.display());
    Ok(files)
}

fn report(file: &Path) -> Result<Vec<Row>> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let report: Value = serde_json::from_str(&text)?;
    Ok(report
        .get("rows")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default()
        .into_iter()
        .map(Row)
        .collect())
}

/// The relay of the reactor's bench, built; cargo says where.
fn floor(root: &Path) -> Result<PathBuf> {
    let mut build = shell::command("bench");
    build.args(["--package", "weir-reactor", "--bench", "relay", "--no-run", "--message-format", "json"]);
    let said = shell::output(build.current_dir(root))?;
    let messages = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let is_relay = |message: &Value| message.pointer("/target/name").and_then(Value::as_str) == Some("relay");
    let mut programs = messages
        .filter(is_relay)
        .filter_map(|message| message.get("executable")?.as_str().map(PathBuf::from));
    programs.next_back().context("cargo did not say where the relay is")
}
