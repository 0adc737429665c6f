//! The summary in the terminal, and the progress before it.

use crate::siege::Assault;
use crate::trial::{Point, Subject, Trial};
use crate::verdict::{rows, thresholds, time};
use std::io::{IsTerminal, Write};

/// One line that is written over and over, where the output is a terminal.
pub(crate) fn progress(done: usize, total: usize, subject: &Subject) {
    let Some(round) = subject.rounds.last() else { return };
    let mut out = std::io::stderr();
    if !out.is_terminal() {
        return;
    }
    let rate = round.answers as f64 / round.seconds;
    let line = format!(
        "\r\x1b[K[{done}/{total}] {:<13} {rate:>8.0} answers/s  p99 {}  {} errors",
        subject.name,
        time(round.p99_us),
        round.errors
    );
    // Progress that cannot be shown is no reason to stop.
    out.write_all(line.as_bytes()).and_then(|()| out.flush()).ok();
    if done == total {
        eprintln!();
    }
}

/// One attack, as soon as it is over.
pub(crate) fn assault(assault: &Assault) {
    println!("{}", assault_line(assault));
}

fn assault_line(assault: &Assault) -> String {
    let kept = assault.kept.map_or_else(|| "-".into(), |kept| format!("{:.1} %", 100.0 * kept));
    let reasons = assault.reasons.iter().map(|(reason, n)| format!("{reason} {n}"));
    let cookies = assault.cookies.filter(|n| *n > 0).map(|n| format!("answered with a cookie {n}"));
    let reasons: Vec<String> = cookies.into_iter().chain(reasons).collect();
    format!(
        "shield {:<4} {:<24} offered {:>8.0}/s  honest {:>7.0}/s ({kept} kept)  p99 {:<9} errors {:<6} {}",
        if assault.defended { "on" } else { "off" },
        assault.what,
        assault.offered,
        assault.answers,
        time(assault.tally.quantile_us(0.99)),
        assault.tally.errors(),
        reasons.join(", ")
    )
}

/// The whole result on one screen.
pub(crate) fn summary(trial: &Trial) -> String {
    let scenario = &trial.scenario;
    let mut out = format!("\n{}: {}\n\n", scenario.name.as_str(), scenario.what.value);
    if !trial.assaults.is_empty() {
        return out + &verdicts(trial);
    }
    out += &format!(
        "{:<13}{:>11}{:>10}{:>10}{:>10}{:>10}{:>11}{:>7}{:>9}{:>8}\n",
        "", "answers/s", "p50", "p99", "p99.9", "max", "CPU µs/req", "CPU %", "mem MiB", "errors"
    );
    for subject in &trial.subjects {
        out += &line(subject);
    }
    if Subject::is_idle(scenario) {
        for subject in &trial.subjects {
            let bytes = subject.middle(|round| round.connection_bytes);
            out += &format!(
                "{:<13}{:>11.0} bytes of memory for each idle connection\n",
                subject.name,
                bytes.unwrap_or(f64::NAN)
            );
        }
    }
    trial.subjects.iter().for_each(|subject| out += &steps(subject, trial));
    out + &verdicts(trial)
}

/// What was found at each rate, where there was more than one, and how far a search came.
fn steps(subject: &Subject, trial: &Trial) -> String {
    let steps = subject.steps();
    let mut out = String::new();
    for Point { rate, answered, p50_us, p99_us, p999_us } in steps.iter().filter(|_| steps.len() > 1) {
        let [p50, p99, p999] = [p50_us, p99_us, p999_us].map(|us| time(*us));
        out += &format!(
            "{:<13}{answered:>11.0}{p50:>10}{p99:>10}{p999:>10}  of {rate:.0}/s offered\n",
            subject.name
        );
    }
    if trial.scenario.knee().is_some() {
        let far = subject.knee.map_or_else(
            || "does not keep its p99 even at the first rate".into(),
            |rate| format!("keeps its p99 up to {rate:.0} requests/s"),
        );
        out += &format!("{:<13} {far}\n", subject.name);
    }
    out
}

/// Goals, thresholds, and what the reader must know.
fn verdicts(trial: &Trial) -> String {
    let mut out = String::new();
    for row in rows(trial) {
        let met = match row.met {
            Some(true) => "met",
            Some(false) => "missed",
            None => "void",
        };
        out += &format!(
            "{:<4} {:<7} {} of {}: {:.3} ± {:.3} of {} (goal {}){}\n",
            row.id,
            met,
            row.unit,
            row.own_name,
            row.ratio,
            row.spread,
            row.peer_name,
            row.goal,
            row.floor.map_or_else(String::new, |floor| format!(", the floor has {floor:.2}"))
        );
    }
    for verdict in thresholds(trial) {
        out +=
            &format!("{} {}: {}\n", if verdict.holds { "ok  " } else { "FAIL" }, verdict.what, verdict.found);
    }
    if trial.is_partial {
        out += "partial: interrupted before its last round\n";
    }
    for note in &trial.notes {
        out += &format!("note: {note}\n");
    }
    out
}

fn line(subject: &Subject) -> String {
    let number = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "-".into(), |value| format!("{value:.digits$}"))
    };
    let memory = subject.middle(|round| round.memory_bytes.map(|bytes| bytes as f64 / f64::from(1 << 20)));
    format!(
        "{:<13}{:>11.0}{:>10}{:>10}{:>10}{:>10}{:>11}{:>7}{:>9}{:>8}\n",
        subject.name,
        subject.throughput(),
        time(subject.tally.quantile_us(0.5)),
        time(subject.tally.quantile_us(0.99)),
        time(subject.tally.quantile_us(0.999)),
        time(subject.tally.quantile_us(1.0)),
        number(subject.middle(|round| round.cpu_us), 2),
        number(subject.middle(|round| round.cpu_share.map(|share| 100.0 * share)), 0),
        number(memory, 1),
        subject.tally.errors()
    )
}

#[cfg(test)]
pub(crate) mod tests;
