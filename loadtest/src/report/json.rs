//! Everything measured, for programs.

use crate::measure::Tally;
use crate::measure::statistics::{median_interval, spread};
use crate::measure::tally::SLICES;
use crate::siege::Assault;
use crate::trial::{Round, Subject, Trial};
use crate::verdict::{rows, thresholds};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::SystemTime;

/// Quantiles of the curve, dense where the tail is.
pub(crate) const QUANTILES: [f64; 22] = [
    0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.975, 0.99, 0.995, 0.999,
    0.9995, 0.9999, 0.99999, 1.0,
];

/// The report as JSON; `version` says how it is laid out.
pub(crate) fn document(trial: &Trial) -> Value {
    let started = trial.started.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let verdicts: Vec<Value> = thresholds(trial)
        .iter()
        .map(|verdict| json!({ "what": verdict.what, "found": verdict.found, "holds": verdict.holds }))
        .collect();
    json!({
        "version": 1,
        "scenario": trial.scenario.name.as_str(),
        "what": trial.scenario.what.value,
        "unix_seconds": started,
        "partial": trial.is_partial,
        "machine": trial.machine,
        "notes": trial.notes,
        "source": trial.source,
        "load": trial.scenario.load.as_str(),
        "connections": trial.scenario.load.connections(),
        "seconds": trial.scenario.duration.as_secs_f64(),
        "slice_seconds": trial.scenario.duration.as_secs_f64() / SLICES as f64,
        "thresholds": verdicts,
        "rows": rows(trial).iter().map(crate::verdict::Row::json).collect::<Vec<_>>(),
        "floods": trial.assaults.iter().map(assault).collect::<Vec<_>>(),
        "subjects": trial.subjects.iter().map(subject).collect::<Vec<_>>(),
    })
}

fn assault(assault: &Assault) -> Value {
    let shield = if assault.defended { "shield on" } else { "shield off" };
    json!({
        "what": format!("{shield}, {}", assault.what),
        "attack": assault.what,
        "kind": assault.attack.as_ref().map(|attack| attack.kind.as_str()),
        "from_own_address": assault.attack.as_ref().map(|attack| attack.sources.value == 1),
        "defended": assault.defended,
        "offered": number(assault.offered),
        "dropped": assault.dropped,
        "cookies": assault.cookies,
        "reasons": assault.reasons,
        "answers": number(assault.answers),
        "kept": assault.kept.map(number),
        "p99_us": number(assault.tally.quantile_us(0.99)),
        "errors": assault.tally.errors(),
        "cpu_share": number(assault.cpu_share),
        "slices": assault.tally.slices.iter().map(slice).collect::<Vec<_>>(),
    })
}

fn subject(subject: &Subject) -> Value {
    let Tally { faults, statuses, .. } = &subject.tally;
    let faults: serde_json::Map<_, _> =
        faults.iter().map(|(fault, n)| (fault.word().into_owned(), json!(n))).collect();
    let statuses: serde_json::Map<_, _> =
        statuses.iter().map(|(status, n)| (status.to_string(), json!(n))).collect();
    json!({
        "name": subject.name,
        "version": subject.version,
        "throughput": number(subject.throughput()),
        "answers": subject.tally.answers(),
        "offered": subject.tally.offered,
        "errors": faults,
        "statuses": statuses,
        "received_bytes": subject.tally.received_bytes,
        "opened_connections": subject.tally.opened,
        "latency_us": latencies(&subject.tally),
        "generator_lag_p99_us": subject.tally.lag.value_at_quantile(0.99) as f64 / 1000.0,
        "generator_late_p99_us": number(subject.late_p99_us()),
        "generator_share": number(subject.generator_share()),
        "cpu_us": figure(subject, |round| round.cpu_us),
        "cpu_share": figure(subject, |round| round.cpu_share),
        "memory_bytes": figure(subject, |round| round.memory_bytes.map(|bytes| bytes as f64)),
        "connection_bytes": figure(subject, |round| round.connection_bytes),
        "generator_us": figure(subject, |round| Some(round.generator_us)),
        "p99_us": figure(subject, |round| Some(round.p99_us)),
        "knee": subject.knee.map(number),
        "points": subject.steps().iter().map(|point| json!({
            "rate": number(point.rate), "answered": number(point.answered),
            "p50_us": number(point.p50_us), "p99_us": number(point.p99_us), "p999_us": number(point.p999_us),
        })).collect::<Vec<_>>(),
        "slices": subject.tally.slices.iter().map(slice).collect::<Vec<_>>(),
        "rounds": subject.rounds.iter().map(round).collect::<Vec<_>>(),
    })
}

/// One slice of a window; the heat is counted in half octaves of microseconds.
fn slice(slice: &Histogram<u64>) -> Value {
    let mut heat: BTreeMap<u64, u64> = BTreeMap::new();
    for value in slice.iter_recorded() {
        let us = value.value_iterated_to() / 1000;
        // The logarithm of the square counts half octaves.
        let bin = u64::from(us.max(1).saturating_mul(us.max(1)).ilog2());
        *heat.entry(bin).or_default() += value.count_at_value();
    }
    let at =
        |quantile| (!slice.is_empty()).then(|| number(slice.value_at_quantile(quantile) as f64 / 1000.0));
    json!({ "n": slice.len(), "p50_us": at(0.5), "p99_us": at(0.99), "heat": heat.into_iter().collect::<Vec<_>>() })
}

fn latencies(tally: &Tally) -> Value {
    let curve: Vec<Value> = QUANTILES.iter().map(|q| json!([q, number(tally.quantile_us(*q))])).collect();
    json!({
        "mean": number(tally.latency.mean() / 1000.0),
        "p50": number(tally.quantile_us(0.5)),
        "p90": number(tally.quantile_us(0.9)),
        "p99": number(tally.quantile_us(0.99)),
        "p999": number(tally.quantile_us(0.999)),
        "max": number(tally.quantile_us(1.0)),
        "curve": curve,
    })
}

/// The middle of the rounds, how far they lie apart, and where the true middle is in 95 of 100 cases.
fn figure(subject: &Subject, of: impl Fn(&Round) -> Option<f64>) -> Value {
    let values: Vec<f64> = subject.rounds.iter().filter_map(&of).collect();
    let Some(middle) = subject.middle(of) else { return Value::Null };
    let (low, high) = median_interval(&values);
    json!({ "median": number(middle), "spread": number(spread(&values)), "low": number(low), "high": number(high) })
}

fn round(round: &Round) -> Value {
    json!({
        "answers": round.answers,
        "errors": round.errors,
        "offered": round.offered,
        "seconds": round.seconds,
        "cpu_us": round.cpu_us.map(number),
        "memory_bytes": round.memory_bytes,
        "connection_bytes": round.connection_bytes.map(number),
        "generator_us": number(round.generator_us),
        "p50_us": number(round.p50_us),
        "p99_us": number(round.p99_us),
        "p999_us": number(round.p999_us),
    })
}

/// With as many places as mean something; nothing for what is not a number.
pub(crate) fn number(value: f64) -> Value {
    if value.is_finite() { json!((value * 1000.0).round() / 1000.0) } else { Value::Null }
}
