//! Latencies as an HDR interval log, which the usual viewers read: one tag for each server or attack.

use crate::trial::Trial;
use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2Serializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use std::time::Duration;

/// The log's text.
pub(crate) fn log(trial: &Trial) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut serializer = V2Serializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    let mut writer = builder
        .add_comment("latencies in nanoseconds, one interval for each server or attack")
        .with_start_time(trial.started)
        .with_max_value_divisor(1_000_000.0)
        .begin_log_with(&mut out, &mut serializer)
        .context("cannot begin the log")?;
    for (name, histogram, length) in histograms(trial) {
        let tag = Tag::new(&name).context("a name is no tag")?;
        writer
            .write_histogram(histogram, Duration::ZERO, length, Some(tag))
            .map_err(|error| anyhow::anyhow!("cannot write the log: {error:?}"))?;
    }
    Ok(out)
}

/// Of each server all its rounds, of each attack its turn; with a name that can stand in a log.
fn histograms(trial: &Trial) -> impl Iterator<Item = (String, &Histogram<u64>, Duration)> {
    let subjects = trial.subjects.iter().map(|subject| {
        let seconds: f64 = subject.rounds.iter().map(|round| round.seconds).sum();
        (subject.name.clone(), &subject.tally.latency, Duration::from_secs_f64(seconds))
    });
    let assaults = trial.assaults.iter().map(|assault| {
        let shield = if assault.defended { "shield-on" } else { "shield-off" };
        let what = assault.what.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        (format!("{shield}-{what}"), &assault.tally.latency, trial.scenario.duration.value)
    });
    subjects.chain(assaults)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::terminal::tests::{served, trial};
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject;

    /// The reader of the format finds what was written, value for value.
    #[test]
    fn a_log_reads_as_it_was_measured() {
        let subjects = vec![served("weir", [1.0, 2.0, 3.0], 100), served("nginx", [1.0, 2.0, 3.0], 250)];
        let trial = trial("peers: { run: [ weir, nginx ] }\n", subjects);
        let log = log(&trial).unwrap();
        let entries = IntervalLogIterator::new(&log).map(Result::unwrap);
        let read = entries.filter_map(|entry| match entry {
            LogEntry::Interval(interval) => Some(interval),
            _ => None,
        });
        let read: Vec<(String, Histogram<u64>)> = read
            .map(|interval| {
                // The bytes stand there in base64, as those of a certificate do.
                let lines = interval.encoded_histogram();
                let pem = format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n");
                let bytes = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
                let histogram = Deserializer::new().deserialize(&mut bytes.as_ref()).unwrap();
                (interval.tag().unwrap().as_str().to_owned(), histogram)
            })
            .collect();
        let written: Vec<(String, Histogram<u64>)> =
            histograms(&trial).map(|(name, histogram, _)| (name, histogram.clone())).collect();
        assert_eq!(written.len(), 2);
        assert_eq!(read, written);
    }

    #[test]
    fn attacks_have_names_that_can_stand_in_a_log() {
        let mut trial =
            trial("siege: { attacks: [ { kind: syn } ] }\nload: { open: { rate: 5/s } }\n", Vec::new());
        trial.assaults = vec![crate::report::terminal::tests::assault("syn at 50000/s", true)];
        let text = String::from_utf8(log(&trial).unwrap()).unwrap();
        assert!(text.contains("Tag=shield-on-syn-at-50000-s,"), "{text}");
    }
}
