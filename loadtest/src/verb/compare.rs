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

/// A figure of the rounds, how it is called, and whether more of it is better.
const FIGURES: [(&str, &str, bool); 6] = [
    ("answers", "answers in a round", true),
    ("cpu_us", "µs CPU per request", false),
    ("p50_us", "p50 in µs", false),
    ("p99_us", "p99 in µs", false),
    ("p999_us", "p99.9 in µs", false),
    ("memory_bytes", "bytes of memory", false),
];

impl Compare {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let (before, after) = (read(&self.before)?, read(&self.after)?);
        let name = |report: &Value| report.get("scenario").and_then(Value::as_str).unwrap_or("").to_owned();
        ensure!(
            name(&before) == name(&after),
            "these are reports of different scenarios: {} and {}",
            name(&before),
            name(&after)
        );
        for note in ["kernel", "processor"] {
            let of = |report: &Value| report.pointer(&format!("/machine/{note}")).cloned();
            if of(&before) != of(&after) {
                println!("note: the {note} is another; absolute figures cannot be compared");
            }
        }
        for subject in subjects(&after) {
            let same = |other: &&Value| other.get("name") == subject.get("name");
            let Some(old) = subjects(&before).find(same) else { continue };
            println!("{}", subject.get("name").and_then(Value::as_str).unwrap_or(""));
            for (key, what, more_is_better) in FIGURES {
                if let Some(change) = Change::of(&values(old, key), &values(subject, key)) {
                    println!("  {what:<20} {}", change.describe(more_is_better));
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn read(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let report: Value =
        serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))?;
    ensure!(
        report.get("version").and_then(Value::as_u64) == Some(1),
        "{} is no report of this tool",
        path.display()
    );
    Ok(report)
}

fn subjects(report: &Value) -> impl Iterator<Item = &Value> {
    report.get("subjects").and_then(Value::as_array).into_iter().flatten()
}

fn values(subject: &Value, key: &str) -> Vec<f64> {
    let rounds = subject.get("rounds").and_then(Value::as_array).into_iter().flatten();
    rounds.filter_map(|round| round.get(key)?.as_f64()).collect()
}

/// The change of a middle value, as shares of the earlier one.
#[derive(Debug)]
struct Change {
    before: f64,
    after: f64,
    low: f64,
    high: f64,
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
        Some(Self { before: middle, after: later, low: at(DRAWS / 40)?, high: at(DRAWS - DRAWS / 40 - 1)? })
    }

    fn describe(&self, more_is_better: bool) -> String {
        let Self { before, after, low, high } = self;
        let change = 100.0 * (after / before - 1.0);
        let word = match (*low > 0.0, *high < 0.0) {
            (true, _) => {
                if more_is_better {
                    "better"
                } else {
                    "worse"
                }
            }
            (_, true) => {
                if more_is_better {
                    "worse"
                } else {
                    "better"
                }
            }
            _ => "no difference that can be told from noise",
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
    }
}
