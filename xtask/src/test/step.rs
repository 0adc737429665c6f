//! The steps of a run: each announced, timed and remembered.

use anyhow::Result;
use std::{
    fmt,
    time::{Duration, Instant},
};

/// The steps so far.
#[derive(Default)]
pub(super) struct Steps {
    done: Vec<Step>,
}

struct Step {
    name: &'static str,
    took: Duration,
    failure: Option<String>,
}

impl Steps {
    /// Runs a step. A failure is shown and does not stop the steps after it.
    pub(super) fn run(&mut self, name: &'static str, step: impl FnOnce() -> Result<()>) {
        println!("\n== {name}");
        let start = Instant::now();
        let failure = step().err().map(|error| format!("{error:#}"));
        let took = start.elapsed();
        match &failure {
            None => println!("== {name}: {:.1} s", took.as_secs_f64()),
            Some(error) => println!("== {name}: FAILED after {:.1} s: {error}", took.as_secs_f64()),
        }
        self.done.push(Step { name, took, failure });
    }

    /// Each failed step with its error.
    pub(super) fn failures(&self) -> impl Iterator<Item = String> {
        self.done
            .iter()
            .filter_map(|step| step.failure.as_ref().map(|error| format!("{}: {error}", step.name)))
    }
}

impl fmt::Display for Steps {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.done {
            let outcome = if step.failure.is_some() { "FAILED" } else { "ok" };
            writeln!(out, "{:<20} {:>7.1} s  {outcome}", step.name, step.took.as_secs_f64())?;
        }
        let total: Duration = self.done.iter().map(|step| step.took).sum();
        writeln!(out, "{:<20} {:>7.1} s", "together", total.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_step_is_kept_and_the_next_one_runs() {
        let mut steps = Steps::default();
        steps.run("one", || anyhow::bail!("broken"));
        steps.run("two", || Ok(()));
        assert_eq!(steps.failures().collect::<Vec<_>>(), ["one: broken"]);
        let table = steps.to_string();
        assert!(table.contains("one") && table.contains("FAILED") && table.contains("together"), "{table}");
    }
}
