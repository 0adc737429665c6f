//! What came out, in words: thresholds kept or not, goals met or not.

use crate::measure::Tally;
use crate::measure::statistics::{median, spread};
use crate::scenario::{Figure, Goal, Thresholds, per_second};
use crate::trial::{Subject, Trial};
use serde_json::{Value, json};

/// One thing that had to hold.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) what: String,
    pub(crate) found: String,
    pub(crate) holds: bool,
}

/// The server that thresholds speak of: weir, or the target.
pub(crate) fn own(trial: &Trial) -> Option<&Subject> {
    trial.subjects.iter().find(|subject| subject.name == "weir").or(trial.subjects.first())
}

/// Every threshold of the scenario with what was found; in a siege, beside each attack on weir with its shield.
pub(crate) fn thresholds(trial: &Trial) -> Vec<Verdict> {
    let limits = &trial.scenario.thresholds.value;
    let seconds = trial.scenario.duration.as_secs_f64();
    let own = own(trial).map(|own| judge(limits, &own.tally, own.throughput(), ""));
    let defended = trial.assaults.iter().filter(|assault| assault.defended).flat_map(|assault| {
        let answers = assault.tally.answers() as f64 / seconds;
        judge(limits, &assault.tally, answers, &format!(", with {}", assault.what))
    });
    own.into_iter().flatten().chain(defended).collect()
}

/// Holds one tally against the limits; `when` says which it is.
fn judge(limits: &Thresholds, tally: &Tally, throughput: f64, when: &str) -> Vec<Verdict> {
    let Thresholds { p50, p99, p999, errors, throughput: least_throughput, goodput } = limits;
    let mut verdicts = Vec::new();
    for (name, limit, quantile) in [("p50", p50, 0.5), ("p99", p99, 0.99), ("p99.9", p999, 0.999)] {
        let Some(limit) = limit else { continue };
        let (found, limit) = (tally.quantile_us(quantile), limit.0.as_secs_f64() * 1e6);
        // Where nobody is answered, nobody is answered in time.
        let said = if found.is_nan() { "no right answer".to_owned() } else { time(found) };
        verdicts.push(verdict(format!("{name} below {}{when}", time(limit)), said, found < limit));
    }
    if let Some(most) = errors {
        let found = tally.errors();
        let what = format!("at most {} errors{when}", most.value);
        verdicts.push(verdict(what, format!("{found}"), found <= most.value));
    }
    if let Some(least) = least_throughput {
        let least = per_second(least);
        let what = format!("at least {least:.0} answers a second{when}");
        verdicts.push(verdict(what, format!("{throughput:.0}"), throughput >= least));
    }
    if let Some(least) = goodput {
        let found = tally.answers() as f64 / tally.offered.max(1) as f64;
        let what = format!("at least {:.1} % of requests answered rightly{when}", 100.0 * least.ratio());
        verdicts.push(verdict(what, format!("{:.2} %", 100.0 * found), found >= least.ratio()));
    }
    verdicts
}

fn verdict(what: String, found: String, holds: bool) -> Verdict {
    Verdict { what, found, holds }
}

/// A time with a unit that suits it.
pub(crate) fn time(us: f64) -> String {
    match us {
        us if us.is_nan() => "-".into(),
        us if us < 1000.0 => format!("{us:.0} µs"),
        us if us < 1e6 => format!("{:.2} ms", us / 1000.0),
        us => format!("{:.2} s", us / 1e6),
    }
}

/// A goal with what was found, as `summary.json` has it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) own_name: String,
    pub(crate) ours: f64,
    pub(crate) peer: f64,
    pub(crate) peer_name: String,
    pub(crate) ratio: f64,
    pub(crate) spread: f64,
    pub(crate) floor: Option<f64>,
    pub(crate) goal: f64,
    /// `None` where the figures are void.
    pub(crate) met: Option<bool>,
    pub(crate) note: String,
}

/// Every goal of the scenario.
pub(crate) fn rows(trial: &Trial) -> Vec<Row> {
    trial.scenario.goals.iter().filter_map(|goal| row(trial, goal)).collect()
}

fn row(trial: &Trial, goal: &Goal) -> Option<Row> {
    let named = |name: &str| trial.subjects.iter().find(|subject| subject.name == name);
    let (own, peer) = (named(goal.of.as_str())?, named(goal.against.as_str())?);
    let figure = goal.figure.value;
    let pairs = own.rounds.iter().zip(&peer.rounds);
    let ratios: Vec<f64> =
        pairs.filter_map(|(own, peer)| Some(own.figure(figure)? / peer.figure(figure)?)).collect();
    let ratio = median(&ratios);
    let (ours, theirs) =
        (own.middle(|round| round.figure(figure))?, peer.middle(|round| round.figure(figure))?);
    let void = why_void(own, peer).or_else(|| {
        // Memory that was at rest before and is in use now hides what a connection costs.
        let is_nothing = !(ours > 0.0 && theirs > 0.0 && ratio.is_finite());
        is_nothing.then(|| format!("void: {ours:.0} against {theirs:.0} is no measurement."))
    });
    let note = void.iter().chain(&trial.notes).cloned().collect::<Vec<_>>().join(" ");
    Some(Row {
        id: goal.id.as_str().to_owned(),
        what: trial.scenario.what.value.clone(),
        unit: unit(figure),
        ours,
        peer: theirs,
        own_name: own.name.clone(),
        peer_name: peer.name.clone(),
        ratio,
        spread: spread(&ratios),
        floor: named("floor").and_then(|floor| floor.middle(|round| round.figure(figure))),
        goal: goal.ratio.value,
        met: (void.is_none() && !trial.is_partial).then_some(ratio <= goal.ratio.value),
        note,
    })
}

/// Why figures of two servers cannot be compared: answers were wrong.
fn why_void(own: &Subject, peer: &Subject) -> Option<String> {
    let is_clean = own.is_clean() && peer.is_clean();
    let wrong = |subject: &Subject| format!("{} wrong answers of {}", subject.tally.errors(), subject.name);
    (!is_clean).then(|| format!("void: {}, {}.", wrong(own), wrong(peer)))
}

fn unit(figure: Figure) -> &'static str {
    match figure {
        Figure::Cpu => "µs CPU per request",
        Figure::P99 => "µs p99",
        Figure::P999 => "µs p99.9",
        Figure::Memory => "bytes per connection",
    }
}

impl Row {
    pub(crate) fn json(&self) -> Value {
        let number =
            |value: f64| if value.is_finite() { json!((value * 1e4).round() / 1e4) } else { Value::Null };
        json!({
            "id": self.id,
            "what": self.what,
            "unit": self.unit,
            "ours": number(self.ours),
            "peer": number(self.peer),
            "own_name": self.own_name,
            "peer_name": self.peer_name,
            "ratio": number(self.ratio),
            "spread": number(self.spread),
            "floor": self.floor.map_or(Value::Null, number),
            "goal": self.goal,
            "met": self.met,
            "note": self.note,
        })
    }
}
