//! Whether the generator was the limit: then latencies and throughput are its own, and the report says so.

use super::Subject;
use crate::scenario::{Load, Scenario};
use crate::verdict::time;

/// Above this share of its cores the generator sends when it can, not when it should.
const FULL: f64 = 0.95;
/// What the generator may add of its own to the latency that 99 of 100 answers keep.
const OWN_SHARE_MAX: f64 = 0.25;

/// A sentence for each server against which the generator was at its limit.
pub(super) fn notes(scenario: &Scenario, subjects: &[Subject]) -> Vec<String> {
    let is_full = |subject: &&Subject| subject.generator_share() > FULL * f64::from(scenario.threads.value);
    let (full, others): (Vec<&Subject>, Vec<&Subject>) = subjects.iter().partition(is_full);
    let names: Vec<&str> = full.iter().map(|subject| subject.name.as_str()).collect();
    let full = (!names.is_empty()).then(|| {
        format!(
            "The generator's own core was fully used against {}: throughput and latency there are the generator's limit. CPU per request is not concerned.",
            names.join(", ")
        )
    });
    let is_open = matches!(scenario.load.value, Load::Open(_));
    let late = others.into_iter().filter(|subject| is_open && is_late(subject)).map(|subject| {
        format!(
            "Against {} the generator itself came up to {} late to its requests (99 of 100 sooner), with its core {:.0} % busy: that much of the {} is not the server's. Ask for a lower rate, or more `threads`.",
            subject.name,
            time(subject.late_p99_us()),
            100.0 * subject.generator_share(),
            time(subject.tally.quantile_us(0.99)),
        )
    });
    full.into_iter().chain(late).collect()
}

fn is_late(subject: &Subject) -> bool {
    subject.late_p99_us() > OWN_SHARE_MAX * subject.tally.quantile_us(0.99)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::subject::tests::{round, subject};
    use std::time::Duration;
    use weir_schema::diagnostic::Style;

    fn scenario(load: &str) -> Scenario {
        let text = format!("version: 1\nname: x\nwhat: y\ntarget: http://127.0.0.1:1\nload: {{ {load} }}\n");
        Scenario::parse("x.yaml", &text, Style::Plain).unwrap()
    }

    /// A server whose 1,000 answers a second took 10 ms, of which the generator was late so much, at so much CPU.
    fn loaded(late_ms: u64, generator_us: f64) -> Subject {
        let mut subject = subject("nginx", vec![round(1000, generator_us)]);
        for _ in 0..1000 {
            subject.tally.answer(None, Duration::from_millis(10));
            subject.tally.came_late(Duration::from_millis(late_ms));
        }
        subject
    }

    fn check(load: &str, subject: Subject, says: &[&str]) {
        let notes = notes(&scenario(load), &[subject]);
        assert_eq!(notes.len(), usize::from(!says.is_empty()), "{notes:?}");
        for says in says {
            assert!(notes.iter().all(|note| note.contains(says)), "{says}: {notes:?}");
        }
    }

    #[test]
    fn a_generator_at_its_limit_is_said_and_one_with_time_left_is_not() {
        let (open, closed) = ("open: { rate: 1k/s }", "closed: {}");
        check(open, loaded(0, 300.0), &[]);
        check(open, loaded(2, 900.0), &[]);
        check(open, loaded(3, 900.0), &["nginx", "3.01 ms late", "90 % busy", "10.00 ms"]);
        check(closed, loaded(3, 900.0), &[]);
        check(open, loaded(3, 990.0), &["fully used against nginx"]);
        check(closed, loaded(0, 990.0), &["fully used against nginx"]);
    }
}
