//! The summary by its goldens: trials with given figures, and the screen that each must give.

use super::summary;
use crate::measure::{Fault, Tally};
use crate::scenario::Scenario;
use crate::siege::Assault;
use crate::trial::subject::tests::{round, subject};
use crate::trial::{Round, Subject, Trial};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};
use weir_schema::diagnostic::Style;

/// A trial without figures of its own.
pub(crate) fn trial(rest: &str, subjects: Vec<Subject>) -> Trial {
    let source = format!("version: 1\nname: golden\nwhat: what a summary says\n{rest}");
    let scenario = Scenario::parse("golden.yaml", &source, Style::Plain).unwrap();
    Trial {
        scenario,
        source,
        subjects,
        machine: serde_json::Value::Null,
        started: SystemTime::UNIX_EPOCH,
        assaults: Vec::new(),
        is_partial: false,
        notes: Vec::new(),
    }
}

/// Latencies from 1 ms to so many, one answer for each.
fn tally(most_ms: u64) -> Tally {
    let mut tally = Tally::new();
    tally.offered = most_ms;
    (1..=most_ms).for_each(|ms| tally.answer(None, Duration::from_millis(ms)));
    tally
}

/// A server that took so many microseconds of CPU for a request in each round.
pub(crate) fn served(name: &str, cpu_us: [f64; 3], most_ms: u64) -> Subject {
    let one = |cpu_us| Round {
        cpu_us: Some(cpu_us),
        cpu_share: Some(0.5),
        memory_bytes: Some(20 << 20),
        connection_bytes: Some(cpu_us * 100.0),
        p99_us: cpu_us * 10.0,
        ..round(1000, 5.0)
    };
    Subject { tally: tally(most_ms), ..subject(name, cpu_us.map(one).to_vec()) }
}

fn check(name: &str, trial: &Trial) {
    let golden =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/terminal").join(name).with_extension("txt");
    let found = summary(trial);
    if std::env::var_os("WEIR_BLESS").is_some() {
        std::fs::write(&golden, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&golden).unwrap_or_default();
    assert_eq!(found, expected, "{}: WEIR_BLESS=1 accepts what is said now", golden.display());
}

#[test]
fn peers_with_goals_thresholds_and_notes() {
    let rest = "peers: { run: [ weir, nginx, haproxy, floor ] }
thresholds: { p50: 60ms, p99: 50ms, errors: 0, throughput: 100k/s, goodput: 99% }
goals:
  - { id: P1, against: nginx, ratio: 0.78 }
  - { id: P1, against: haproxy, ratio: 0.5 }
  - { id: P8, figure: p99, against: nginx, ratio: 0.8 }
";
    let weir = served("weir", [7.0, 7.1, 7.4], 100);
    let nginx = served("nginx", [10.0, 10.4, 10.1], 150);
    let mut haproxy = served("haproxy", [9.0, 9.2, 9.1], 200);
    haproxy.tally.fault(Fault::Status(503), 3);
    let mut told = trial(rest, vec![weir, nginx, haproxy, served("floor", [4.0, 4.1, 4.2], 50)]);
    told.notes = vec!["The generator's own core was fully used against weir.".into()];
    check("peers", &told);
    told.is_partial = true;
    check("partial", &told);
}

/// A threshold of latency does not hold where nobody is answered.
#[test]
fn a_server_that_is_not_there() {
    let rest = "target: http://127.0.0.1:1
thresholds: { p99: 5ms, errors: 0 }
";
    let mut target = subject("target", vec![round(0, 0.0)]);
    target.tally.fault(Fault::Refused, 7);
    let mut told = trial(rest, vec![target]);
    told.notes = told.subjects.iter().filter_map(Subject::faults).collect();
    check("nobody", &told);
}

#[test]
fn what_an_idle_connection_costs() {
    let rest = "peers: { run: [ weir, nginx ] }
load: { idle: { connections: 100 } }
goals: [ { id: P9, figure: memory, against: nginx, ratio: 0.6 } ]
";
    let subjects = vec![served("weir", [5.0, 5.0, 5.1], 10), served("nginx", [6.0, 6.1, 6.2], 10)];
    check("idle", &trial(rest, subjects));
}

#[test]
fn how_far_a_server_goes() {
    let rest = "target: http://127.0.0.1:1
load: { open: { rate: 1k/s, knee: 5ms } }
";
    let mut target = served("target", [5.0, 5.0, 5.0], 10);
    let rounds = target.rounds.clone();
    rounds.iter().zip([1000.0, 1250.0, 1562.5]).for_each(|(round, rate)| target.add_point(round, rate));
    target.add_point(&rounds[0], 1953.0);
    target.knee = Some(1562.5);
    check("knee", &trial(rest, vec![target.clone()]));
    target.knee = None;
    check("no-knee", &trial(rest, vec![target]));
}

/// One attack that the kernel has counted.
pub(crate) fn assault(what: &str, defended: bool) -> Assault {
    Assault {
        what: what.into(),
        attack: None,
        defended,
        offered: 50_000.0,
        dropped: Some(49_000),
        cookies: Some(0),
        reasons: BTreeMap::from([("syn_cookie".to_owned(), 49_000)]),
        answers: 0.0,
        kept: None,
        tally: tally(40),
        cpu_share: 0.2,
    }
}

#[test]
fn what_a_siege_came_to() {
    let rest = "siege: { attacks: [ { kind: syn, rate: 50k/s } ] }
load: { open: { rate: 500/s } }
thresholds: { goodput: 95%, errors: 0 }
";
    let mut told = trial(rest, Vec::new());
    told.assaults = vec![
        Assault { answers: 500.0, ..assault("no attack", true) },
        Assault { answers: 495.0, kept: Some(0.99), ..assault("syn at 50000/s", true) },
        Assault { answers: 500.0, ..assault("no attack", false) },
        Assault { answers: 100.0, kept: Some(0.2), ..assault("syn at 50000/s", false) },
    ];
    check("siege", &told);
}
