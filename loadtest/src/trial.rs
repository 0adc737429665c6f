//! One scenario carried out: peers take turns, round after round, and every turn is measured.

mod saturation;
mod stage;
pub(crate) mod subject;

pub(crate) use subject::{Point, Round, Subject};

use crate::engine::Engine;
use crate::load::arrivals::Ramp;
use crate::load::job::Pace;
use crate::load::run::{Moment, run};
use crate::measure::machine;
use crate::peer::Programs;
use crate::scenario::{Load, Open, PeerName, Scenario};
use crate::siege::{self, Assault, Field};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use stage::Stage;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

/// What a run may be told beside its scenario.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) programs: Programs,
    /// Configurations and reports go below this folder.
    pub(crate) folder: PathBuf,
    /// Fewer rounds than the scenario says.
    pub(crate) rounds_max: Option<u32>,
    /// Only peers that goals compare.
    pub(crate) goals_only: bool,
    /// The field of a siege in which this process stands.
    pub(crate) field: Option<String>,
    /// This process stands in a network namespace whose loopback is its own.
    pub(crate) is_alone: bool,
    /// Set when the user wants no more.
    pub(crate) stop: Arc<AtomicBool>,
}

/// A scenario with everything that was measured.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) scenario: Scenario,
    /// The scenario's file as written.
    pub(crate) source: String,
    pub(crate) subjects: Vec<Subject>,
    pub(crate) machine: Value,
    pub(crate) started: SystemTime,
    /// What attacks did, if there were any.
    pub(crate) assaults: Vec<Assault>,
    /// It was interrupted before its last round.
    pub(crate) is_partial: bool,
    /// What the reader must know, such as that the generator was at its limit.
    pub(crate) notes: Vec<String>,
}

/// Carries it out. `tell` is called after each turn with how many of all are done.
pub(crate) fn carry_out(
    (scenario, source): (Scenario, String),
    options: &Options,
    mut tell: impl FnMut(usize, usize, &Subject),
) -> Result<Trial> {
    if let Some(server) = scenario.siege.as_ref().and(options.field.as_ref()) {
        let field = Field::around(server)?;
        return besiege((scenario, source), &field, options);
    }
    let started = SystemTime::now();
    let mut stage = Stage::set(&scenario, options)?;
    let mut notes = std::mem::take(&mut stage.notes);
    let paces = paces(&scenario, &stage)?;
    let rounds = scenario.rounds.value.min(options.rounds_max.unwrap_or(u32::MAX));
    let mut subjects: Vec<Subject> = stage.seats.iter().map(Subject::new).collect();
    let total = subjects.len() * paces.len() * usize::try_from(rounds)?;
    let mut done = 0;
    'rounds: for number in 0..rounds {
        for (rate, pace) in &paces {
            let mut turns: Vec<_> = stage.seats.iter().zip(&mut subjects).collect();
            // There and back: whoever comes after another is before it the next time.
            if number % 2 == 1 {
                turns.reverse();
            }
            // Connections that idle are in nobody's way.
            let at_once = if Subject::is_idle(&scenario) { turns.len() } else { 1 };
            for turns in turns.chunks_mut(at_once.max(1)) {
                let found = take_turns(&scenario, turns, (&stage.engines, *pace), options)?;
                if options.stop.load(Relaxed) {
                    break 'rounds;
                }
                for ((_, subject), found) in turns.iter_mut().zip(found) {
                    subject.add(found, *rate);
                    done += 1;
                    tell(done, total, subject);
                }
            }
        }
    }
    if let Some((limit, rate)) = scenario.knee() {
        for (seat, subject) in stage.seats.iter().zip(&mut subjects) {
            climb(&scenario, (seat, &stage.engines), (limit, rate), options, subject)?;
        }
    }
    notes.extend(subjects.iter().filter_map(Subject::faults));
    notes.extend(saturation::notes(&scenario, &subjects));
    let is_partial = options.stop.load(Relaxed);
    Ok(Trial {
        scenario,
        source,
        subjects,
        machine: machine::describe(),
        started,
        assaults: Vec::new(),
        is_partial,
        notes,
    })
}

/// A siege instead of rounds.
fn besiege((scenario, source): (Scenario, String), field: &Field, options: &Options) -> Result<Trial> {
    let Load::Open(Open { rate: Some(rate), arrivals, .. }) = &scenario.load.value else {
        bail!("honest clients of a siege come at a rate of their own");
    };
    let pace = Pace::Open(Ramp::steady(crate::scenario::per_second(rate)), arrivals.value);
    let started = SystemTime::now();
    let assaults = siege::carry_out(&scenario, field, options, pace, crate::report::terminal::assault)?;
    Ok(Trial {
        scenario,
        source,
        subjects: Vec::new(),
        machine: machine::describe(),
        started,
        assaults,
        is_partial: options.stop.load(Relaxed),
        notes: Vec::new(),
    })
}

/// What one turn came to.
type Found = (Round, crate::measure::Tally);

/// The turns of one peer, or of several at the same time.
fn take_turns(
    scenario: &Scenario,
    turns: &[(&stage::Seat, &mut Subject)],
    (engines, pace): (&[Engine], Pace),
    options: &Options,
) -> Result<Vec<Found>> {
    std::thread::scope(|scope| {
        let seats: Vec<&stage::Seat> = turns.iter().map(|(seat, _)| *seat).collect();
        let start = |seat| scope.spawn(move || turn(scenario, (seat, engines), pace, options));
        let threads: Vec<_> = seats.into_iter().map(start).collect();
        let end = |thread: std::thread::ScopedJoinHandle<'_, Result<Found>>| {
            thread.join().unwrap_or_else(|_| bail!("a turn's thread died"))
        };
        threads.into_iter().map(end).collect()
    })
}

/// One peer's turn of one round.
fn turn(
    scenario: &Scenario,
    (seat, engines): (&stage::Seat, &[Engine]),
    pace: Pace,
    options: &Options,
) -> Result<Found> {
    let job = seat.job(scenario, pace, options);
    let tree = seat.tree();
    let (mut cpu_at_begin, mut cpu_at_end, mut memory) = (0_u64, 0_u64, 0_u64);
    let outcome = run(engines, &job, |moment| {
        let Some(tree) = &tree else { return };
        match moment {
            Moment::Begin => cpu_at_begin = tree.cpu_ns(),
            Moment::End => (cpu_at_end, memory) = (tree.cpu_ns(), tree.memory_bytes()),
        }
    })?;
    let cpu_ns = tree.as_ref().map(|_| cpu_at_end.saturating_sub(cpu_at_begin));
    let memory = tree.map(|_| memory);
    let grown = memory.map(|bytes| bytes.saturating_sub(seat.memory_at_rest));
    Ok((Round::new(&outcome, cpu_ns, (grown, memory), scenario), outcome.tally))
}

/// The paces of a scenario, one after the other, each with the rate it offers.
fn paces(scenario: &Scenario, stage: &Stage) -> Result<Vec<(Option<f64>, Pace)>> {
    let open = match &scenario.load.value {
        Load::Closed(_) => return Ok(vec![(None, Pace::Closed)]),
        Load::Idle(_) => return Ok(vec![(None, Pace::Once)]),
        Load::Open(open) => open,
    };
    let per_second = crate::scenario::per_second;
    let rates: Vec<f64> = match (&open.rate, &open.share) {
        (Some(rate), _) => vec![per_second(rate)],
        (None, Some(share)) => vec![ceiling(scenario, stage, open.ceiling_of.value)? * share.ratio()],
        (None, None) => open.steps.iter().map(|rate| per_second(rate)).collect(),
    };
    let over = scenario.warm_up.value + scenario.duration.value;
    let ramp = |rate: f64| Ramp {
        from: open.ramp_from.as_ref().map_or(rate, |from| per_second(from)),
        to: rate,
        over,
    };
    Ok(rates.into_iter().map(|rate| (Some(rate), Pace::Open(ramp(rate), open.arrivals.value))).collect())
}

/// What a peer can answer in a second when it is asked as fast as it answers.
fn ceiling(scenario: &Scenario, stage: &Stage, of: PeerName) -> Result<f64> {
    let seat = stage.seats.iter().find(|seat| seat.peer.as_ref().is_some_and(|peer| peer.name == of));
    let seat = seat.with_context(|| format!("{} does not run here", of.as_str()))?;
    let mut job = seat.job(scenario, Pace::Closed, &stage.options);
    job.length = Duration::from_secs(1);
    let outcome = run(&stage.engines, &job, |_| {})?;
    if outcome.tally.answers() == 0 {
        bail!("{} answered nothing while its ceiling was measured", of.as_str());
    }
    Ok(outcome.tally.answers() as f64 / job.length.as_secs_f64())
}

/// Raises the rate until the peer cannot keep its p99, and notes each step.
fn climb(
    scenario: &Scenario,
    (seat, engines): (&stage::Seat, &[Engine]),
    (limit, mut rate): (Duration, f64),
    options: &Options,
    subject: &mut Subject,
) -> Result<()> {
    const FACTOR: f64 = 1.25;
    const STEPS_MAX: u32 = 40;
    let Load::Open(open) = &scenario.load.value else { return Ok(()) };
    for _ in 0..STEPS_MAX {
        let pace = Pace::Open(Ramp::steady(rate), open.arrivals.value);
        let (round, tally) = turn(scenario, (seat, engines), pace, options)?;
        let holds = tally.quantile_us(0.99) <= limit.as_secs_f64() * 1e6 && tally.errors() == 0;
        let keeps_up = tally.answers() as f64 >= 0.99 * tally.offered as f64;
        subject.add_point(&round, rate);
        if !holds || !keeps_up || options.stop.load(Relaxed) {
            break;
        }
        subject.knee = Some(rate);
        rate *= FACTOR;
    }
    Ok(())
}
