//! What was measured of one server.

use super::stage::Seat;
use crate::load::run::Outcome;
use crate::measure::Tally;
use crate::measure::statistics::median;
use crate::scenario::{Figure, Load, Scenario};

/// One turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    pub(crate) answers: u64,
    pub(crate) errors: u64,
    pub(crate) offered: u64,
    pub(crate) seconds: f64,
    /// Microseconds of the server's CPU for each right answer.
    pub(crate) cpu_us: Option<f64>,
    /// Share of one core that the server used.
    pub(crate) cpu_share: Option<f64>,
    /// Bytes for each open connection, beyond what the server has at rest.
    pub(crate) connection_bytes: Option<f64>,
    pub(crate) memory_bytes: Option<u64>,
    /// Microseconds of the generator's CPU for each right answer.
    pub(crate) generator_us: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
}

impl Round {
    pub(super) fn new(
        outcome: &Outcome,
        cpu_ns: Option<u64>,
        (grown, memory_bytes): (Option<u64>, Option<u64>),
        scenario: &Scenario,
    ) -> Self {
        let tally = &outcome.tally;
        let seconds = scenario.duration.as_secs_f64();
        let per_answer = |ns: u64| ns as f64 / 1000.0 / tally.answers().max(1) as f64;
        let connections = f64::from(scenario.load.connections());
        Self {
            answers: tally.answers(),
            errors: tally.errors(),
            offered: tally.offered,
            seconds,
            cpu_us: cpu_ns.map(per_answer),
            cpu_share: cpu_ns.map(|ns| ns as f64 / 1e9 / seconds),
            connection_bytes: grown.map(|bytes| bytes as f64 / connections),
            memory_bytes,
            generator_us: per_answer(outcome.cpu_ns),
            p50_us: tally.quantile_us(0.5),
            p99_us: tally.quantile_us(0.99),
            p999_us: tally.quantile_us(0.999),
        }
    }

    /// A figure that goals speak of.
    pub(crate) fn figure(&self, figure: Figure) -> Option<f64> {
        match figure {
            Figure::Cpu => self.cpu_us,
            Figure::P99 => Some(self.p99_us),
            Figure::P999 => Some(self.p999_us),
            Figure::Memory => self.connection_bytes,
        }
    }
}

/// One step of a staircase of rates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) rate: f64,
    pub(crate) answered: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
}

/// One server.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) rounds: Vec<Round>,
    pub(crate) tally: Tally,
    pub(crate) points: Vec<Point>,
    /// The highest rate at which the wanted p99 was kept.
    pub(crate) knee: Option<f64>,
}

impl Subject {
    pub(super) fn new(seat: &Seat) -> Self {
        let version = seat.peer.as_ref().map_or_else(String::new, |peer| peer.version.clone());
        let mut tally = Tally::new();
        tally.slices.clear();
        Self { name: seat.name.clone(), version, rounds: Vec::new(), tally, points: Vec::new(), knee: None }
    }

    pub(super) fn add(&mut self, (round, tally): (Round, Tally), rate: Option<f64>) {
        if let Some(rate) = rate {
            self.add_point(&round, rate);
        }
        self.rounds.push(round);
        self.tally.follow(tally);
    }

    pub(crate) fn add_point(&mut self, round: &Round, rate: f64) {
        let answered = round.answers as f64 / round.seconds;
        let Round { p50_us, p99_us, p999_us, .. } = *round;
        self.points.push(Point { rate, answered, p50_us, p99_us, p999_us });
    }

    /// Each rate that was offered, from the lowest on, with the middle of what was found at it.
    pub(crate) fn steps(&self) -> Vec<Point> {
        let mut rates: Vec<f64> = self.points.iter().map(|point| point.rate).collect();
        rates.sort_by(f64::total_cmp);
        rates.dedup();
        let step = |rate: f64| {
            let middle = |of: fn(&Point) -> f64| {
                let own = self.points.iter().filter(|point| point.rate.total_cmp(&rate).is_eq());
                median(&own.map(of).collect::<Vec<_>>())
            };
            Point {
                rate,
                answered: middle(|point| point.answered),
                p50_us: middle(|point| point.p50_us),
                p99_us: middle(|point| point.p99_us),
                p999_us: middle(|point| point.p999_us),
            }
        };
        rates.into_iter().map(step).collect()
    }

    /// Right answers a second.
    pub(crate) fn throughput(&self) -> f64 {
        let seconds: f64 = self.rounds.iter().map(|round| round.seconds).sum();
        self.tally.answers() as f64 / seconds.max(f64::MIN_POSITIVE)
    }

    /// The middle of the rounds.
    pub(crate) fn middle(&self, of: impl Fn(&Round) -> Option<f64>) -> Option<f64> {
        let values: Vec<f64> = self.rounds.iter().filter_map(of).collect();
        (!values.is_empty()).then(|| median(&values))
    }

    /// How much of a core the generator used, in the middle of the rounds.
    pub(crate) fn generator_share(&self) -> f64 {
        let share = |round: &Round| Some(round.generator_us * round.answers as f64 / 1e6 / round.seconds);
        self.middle(share).unwrap_or(0.0)
    }

    /// How late the generator itself came to one of a hundred requests, in microseconds; 0 in a closed loop.
    pub(crate) fn late_p99_us(&self) -> f64 {
        self.tally.late.value_at_quantile(0.99) as f64 / 1000.0
    }

    /// What went wrong, in a sentence.
    pub(crate) fn faults(&self) -> Option<String> {
        let faults: Vec<String> =
            self.tally.faults.iter().map(|(fault, n)| format!("{n} {}", fault.describe())).collect();
        (!faults.is_empty()).then(|| format!("Wrong with {}: {}.", self.name, faults.join("; ")))
    }

    /// Every answer was right.
    pub(crate) fn is_clean(&self) -> bool {
        self.tally.errors() == 0 && self.tally.answers() > 0
    }

    /// Whether the figures concern idle connections.
    pub(crate) fn is_idle(scenario: &Scenario) -> bool {
        matches!(scenario.load.value, Load::Idle(_))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A round of one second.
    pub(crate) fn round(answers: u64, generator_us: f64) -> Round {
        Round {
            answers,
            errors: 0,
            offered: answers,
            seconds: 1.0,
            cpu_us: None,
            cpu_share: None,
            connection_bytes: None,
            memory_bytes: None,
            generator_us,
            p50_us: 0.0,
            p99_us: 0.0,
            p999_us: 0.0,
        }
    }

    /// A server with its rounds, and no answers counted yet.
    pub(crate) fn subject(name: &str, rounds: Vec<Round>) -> Subject {
        let tally = Tally::new();
        Subject {
            name: name.to_owned(),
            version: String::new(),
            rounds,
            tally,
            points: Vec::new(),
            knee: None,
        }
    }
}
