//! Latencies as an HDR interval log, which the usual viewers read: one tag for each server.

use crate::trial::Trial;
use anyhow::{Context, Result};
use hdrhistogram::serialization::V2Serializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use std::time::Duration;

/// The log's text.
pub(crate) fn log(trial: &Trial) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut serializer = V2Serializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    let mut writer = builder
        .add_comment("latencies in nanoseconds, one interval for each server")
        .with_start_time(trial.started)
        .with_max_value_divisor(1_000_000.0)
        .begin_log_with(&mut out, &mut serializer)
        .context("cannot begin the log")?;
    for subject in &trial.subjects {
        let tag = Tag::new(&subject.name).context("a name is no tag")?;
        let seconds: f64 = subject.rounds.iter().map(|round| round.seconds).sum();
        let length = Duration::from_secs_f64(seconds);
        writer
            .write_histogram(&subject.tally.latency, Duration::ZERO, length, Some(tag))
            .map_err(|error| anyhow::anyhow!("cannot write the log: {error:?}"))?;
    }
    Ok(out)
}
