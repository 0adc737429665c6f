//! Verbs about the upstreams of the running program.

use super::{Asking, Output};
use anyhow::Result;
use clap::Subcommand;
use serde_json::Value;
use std::process::ExitCode;
use weir_admin::{Steer, WEIGHT_MAX, Wish};

#[derive(Subcommand)]
pub(crate) enum Upstream {
    /// Every upstream with its targets, their state and weight.
    List {
        #[command(flatten)]
        asking: Asking,
    },
    /// Give a target no new requests; those it has it may finish.
    Drain(Place),
    /// Use a drained target again.
    Undrain(Place),
    /// Give a target another weight until the program ends; without one, that of the configuration again.
    Weight {
        #[command(flatten)]
        place: Place,
        /// Its share in proportion to the other weights; 0 takes no new requests.
        #[arg(value_parser = clap::value_parser!(u32).range(..=i64::from(WEIGHT_MAX)))]
        weight: Option<u32>,
    },
}

/// One target.
#[derive(clap::Args)]
pub(crate) struct Place {
    /// The name of the upstream.
    upstream: String,
    /// The target, as it is written in the configuration.
    target: String,
    #[command(flatten)]
    asking: Asking,
}

impl Upstream {
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self {
            Self::List { asking } => print(&asking, &asking.ask_all("/v1/upstreams", "upstreams")?),
            Self::Drain(place) => place.steer(Wish::Drained(true))?,
            Self::Undrain(place) => place.steer(Wish::Drained(false))?,
            Self::Weight { place, weight } => place.steer(Wish::Weight(weight))?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Place {
    fn steer(self, wish: Wish) -> Result<()> {
        let steer = Steer { upstream: self.upstream, target: self.target, wish };
        self.asking.ask("POST", "/v1/upstreams", Some(&steer.body()))?;
        print(&self.asking, &self.asking.ask_all("/v1/upstreams", "upstreams")?);
        Ok(())
    }
}

fn print(asking: &Asking, answer: &Value) {
    match asking.output {
        Output::Json => asking.print(answer),
        Output::Text => print!("{}", table(answer)),
    }
}

/// A line for each target.
fn table(answer: &Value) -> String {
    let list =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let text =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut lines = format!("{:<20} {:<28} {:<8} {:>6}\n", "UPSTREAM", "TARGET", "STATE", "WEIGHT");
    for upstream in list(answer, "upstreams") {
        for target in list(&upstream, "targets") {
            let weight = target.get("weight").and_then(Value::as_u64).unwrap_or_default();
            let set = if target.get("weight_set").is_some_and(Value::is_u64) { " (set)" } else { "" };
            let row = format!(
                "{:<20} {:<28} {:<8} {weight:>6}{set}  {}",
                text(&upstream, "upstream"),
                text(&target, "target"),
                text(&target, "state"),
                text(&target, "complaint"),
            );
            lines.push_str(row.trim_end());
            lines.push('\n');
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_target_is_a_line() {
        let target = json!({ "target": "10.0.0.1:80", "state": "drained", "weight": 3, "weight_set": 3, "complaint": "" });
        let text = table(&json!({ "upstreams": [ { "upstream": "api", "targets": [ target ] } ] }));
        assert_eq!(
            text,
            "UPSTREAM             TARGET                       STATE    WEIGHT\n\
             api                  10.0.0.1:80                  drained       3 (set)\n"
        );
    }
}
