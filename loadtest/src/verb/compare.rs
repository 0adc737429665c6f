//! `compare`: what changed between two reports, with how sure that is.

use crate::load::random::Random;
use crate::measure::statistics::median;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Print the differences between two reports, each with the range in which it lies in 95 of 100 cases.
#[derive(clap::Args)]
pub(crate) struct Compare {
    /// `report.json` of the earlier run.
    before: PathBuf,
    /// `report.json` of the later run.
    after: PathBuf,
}

impl Compare {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let (before, after) = (Report::read(&self.before)?, Report::read(&self.after)?);
        ensure!(
            before.text("/scenario") == after.text("/scenario"),
            "these are reports of different scenarios: {} and {}",
            before.text("/scenario"),
            after.text("/scenario")
        );
        for note in ["kernel", "processor"].iter().filter(|note| before.machine(note) != after.machine(note))
        {
            println!("note: the {note} is another; absolute figures cannot be compared");
        }
        for (path, report) in [(&self.before, &before), (&self.after, &after)] {
            if report.0.get("partial") == Some(&Value::Bool(true)) {
                println!("note: the run of {} was interrupted", path.display());
            }
        }
        let mut found = 0;
        for series in after.series() {
            let Some(old) = before.series().find(|old| old.name == series.name) else { continue };
            print!("{}", old.describe(&series));
            found += 1;
        }
        ensure!(found > 0, "the reports have no server and no attack in common");
        Ok(ExitCode::SUCCESS)
    }
}

/// A report as it was written.
struct Report(Value);

impl Report {
    fn read(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let report: Value =
            serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))?;
        ensure!(
            report.get("version").and_then(Value::as_u64) == Some(1),
            "{} is no report of this tool: `run` leaves one as report.json",
            path.display()
        );
        Ok(Self(report))
    }

    fn text(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or("")
    }

    fn machine(&self, note: &str) -> Option<&Value> {
        self.0.pointer(&format!("/machine/{note}"))
    }

    /// Everything that was measured more than once: each server by its rounds, each attack by the slices of its turn.
    fn series(&self) -> impl Iterator<Item = Series<'_>> {
        let list = |key| self.0.get(key).and_then(Value::as_array).into_iter().flatten();
        let seconds = self.0.get("slice_seconds").and_then(Value::as_f64).unwrap_or(f64::NAN);
        let subjects = list("subjects").map(move |one| Series::new(one, ("name", "rounds"), &ROUND, seconds));
        subjects.chain(list("floods").map(move |one| Series::new(one, ("what", "slices"), &SLICE, seconds)))
    }
}

/// How a figure is called, how it is found in one round or slice of so many seconds, and whether more of it is better.
type Figure = (&'static str, fn(&Value, f64) -> Option<f64>, bool);

const ROUND: [Figure; 7] = [
    ("answers a second", |round, _| Some(number(round, "answers")? / number(round, "seconds")?), true),
    ("µs CPU per request", |round, _| number(round, "cpu_us"), false),
    ("p50 in µs", |round, _| number(round, "p50_us"), false),
    ("p99 in µs", |round, _| number(round, "p99_us"), false),
    ("p99.9 in µs", |round, _| number(round, "p999_us"), false),
    ("bytes of memory", |round, _| number(round, "memory_bytes"), false),
    ("bytes a connection", |round, _| number(round, "connection_bytes"), false),
];

const SLICE: [Figure; 3] = [
    ("honest answers a second", |slice, seconds| Some(number(slice, "n")? / seconds), true),
    ("p50 in µs", |slice, _| number(slice, "p50_us"), false),
    ("p99 in µs", |slice, _| number(slice, "p99_us"), false),
];

fn number(value: &Value, key: &str) -> Option<f64> {
    value.get(key)?.as_f64()
}

/// What was measured several times over.
struct Series<'a> {
    name: &'a str,
    /// The highest rate that a search found; a single figure.
    knee: Option<f64>,
    parts: &'a [Value],
    figures: &'static [Figure],
    seconds: f64,
}

impl<'a> Series<'a> {
    fn new(one: &'a Value, keys: (&str, &str), figures: &'static [Figure], seconds: f64) -> Self {
        let name = one.get(keys.0).and_then(Value::as_str).unwrap_or("");
        let parts = one.get(keys.1).and_then(Value::as_array).map_or(&[] as &[Value], Vec::as_slice);
        Self { name, knee: number(one, "knee"), parts, figures, seconds }
    }

    fn values(&self, of: fn(&Value, f64) -> Option<f64>) -> Vec<f64> {
        self.parts.iter().filter_map(|part| of(part, self.seconds)).collect()
    }

    /// What has become of it.
    fn describe(&self, later: &Self) -> String {
        let mut out = format!("{}\n", self.name);
        for (what, of, more_is_better) in self.figures {
            if let Some(change) = Change::of(&self.values(*of), &later.values(*of)) {
                out += &format!("  {what:<24} {}\n", change.describe(*more_is_better));
            }
        }
        if let (Some(before), Some(after)) = (self.knee, later.knee) {
            let change = 100.0 * (after / before - 1.0);
            out += &format!(
                "  {:<24} {before:>12.2} -> {after:>12.2}  {change:+6.1} % (one search each: without a range)\n",
                "knee, requests a second"
            );
        }
        out
    }
}

/// Of fewer rounds no range can be given that holds in 95 of 100 cases: even from the lowest to the highest is too narrow.
const ROUNDS_MIN: usize = 5;

/// The change of a middle value, as shares of the earlier one.
#[derive(Debug)]
struct Change {
    before: f64,
    after: f64,
    low: f64,
    high: f64,
    /// The fewer of both sides.
    rounds: usize,
}

impl Change {
    /// `None` without rounds on one side, or where the earlier value is nothing.
    fn of(before: &[f64], after: &[f64]) -> Option<Self> {
        const DRAWS: usize = 2000;
        let (middle, later) = (median(before), median(after));
        if !middle.is_finite() || !later.is_finite() || middle == 0.0 {
            return None;
        }
        // Both runs are drawn anew from their rounds, many times over.
        let mut random = Random::new(2);
        let mut drawn = |values: &[f64]| {
            let draw = |_: &f64| values.get(random.below(values.len())).copied().unwrap_or(f64::NAN);
            median(&values.iter().map(draw).collect::<Vec<_>>())
        };
        let mut changes: Vec<f64> = (0..DRAWS).map(|_| drawn(after) / drawn(before) - 1.0).collect();
        changes.sort_by(f64::total_cmp);
        let at = |index: usize| changes.get(index).copied();
        Some(Self {
            before: middle,
            after: later,
            low: at(DRAWS / 40)?,
            high: at(DRAWS - DRAWS / 40 - 1)?,
            rounds: before.len().min(after.len()),
        })
    }

    fn describe(&self, more_is_better: bool) -> String {
        let Self { before, after, low, high, rounds } = self;
        let change = 100.0 * (after / before - 1.0);
        let word = match (*low > 0.0, *high < 0.0) {
            _ if *rounds < ROUNDS_MIN => "too few rounds to tell from noise",
            (false, false) => "no difference that can be told from noise",
            (is_more, _) if is_more == more_is_better => "better",
            _ => "worse",
        };
        let (low, high) = (100.0 * low, 100.0 * high);
        format!("{before:>12.2} -> {after:>12.2}  {change:+6.1} % ({low:+.1} to {high:+.1} %)  {word}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_beyond_the_noise_is_told_and_noise_is_not() {
        let noise =
            |centre: f64| (0..9_u32).map(|i| centre + f64::from(i * 7 % 9) / 10.0).collect::<Vec<_>>();
        let say = |before, after, more| Change::of(&noise(before), &noise(after)).unwrap().describe(more);
        assert!(say(10.0, 12.0, false).ends_with("worse"));
        assert!(say(10.0, 12.0, true).ends_with("better"));
        assert!(say(12.0, 10.0, false).ends_with("better"));
        assert!(say(10.0, 10.05, false).ends_with("noise"));
        assert!(Change::of(&[], &[1.0]).is_none());
        let few = Change::of(&[10.0, 10.1, 10.2, 10.1], &noise(20.0)).unwrap();
        assert!(few.describe(false).ends_with("too few rounds to tell from noise"));
    }
}
