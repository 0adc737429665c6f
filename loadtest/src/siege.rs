//! Honest load beside attacks, in network namespaces that this program made itself.

pub(crate) mod attack;
pub(crate) mod field;
mod fort;

pub(crate) use field::Field;

use crate::client::mix::Mix;
use crate::engine::Engine;
use crate::load::job::{Job, Pace};
use crate::load::run::run;
use crate::measure::Tally;
use crate::scenario::{Attack, Handshake, Scenario, Tls};
use crate::trial::Options;
use anyhow::{Context, Result, ensure};
use fort::Fort;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use weir_schema::At;

/// What one attack did.
#[derive(Debug)]
pub(crate) struct Assault {
    pub(crate) what: String,
    /// `None` for the turn in peace.
    pub(crate) attack: Option<Attack>,
    pub(crate) defended: bool,
    /// Packets, connections or streams a second that really left.
    pub(crate) offered: f64,
    pub(crate) dropped: Option<u64>,
    /// SYNs that XDP answered with a cookie.
    pub(crate) cookies: Option<u64>,
    pub(crate) reasons: BTreeMap<String, u64>,
    /// Right answers a second to honest clients.
    pub(crate) answers: f64,
    /// As a share of what they were without attack.
    pub(crate) kept: Option<f64>,
    pub(crate) tally: Tally,
    /// Microseconds of weir's CPU, a second.
    pub(crate) cpu_share: f64,
}

/// Carries a siege out; this process stands in the clients' namespace already.
pub(crate) fn carry_out(
    scenario: &Scenario,
    field: &Field,
    options: &Options,
    pace: Pace,
    mut tell: impl FnMut(&Assault),
) -> Result<Vec<Assault>> {
    let siege = scenario.siege.as_ref().context("the scenario has no siege")?;
    let engines = [Engine::start("load")?];
    let attackers = Engine::start("attack")?;
    let mut assaults = Vec::new();
    for defended in if siege.control.value { vec![true, false] } else { vec![true] } {
        let fort = Fort::build(scenario, field, options, defended)?;
        let job = job(scenario, &fort, pace, options)?;
        let mut at_peace = None;
        for attack in std::iter::once(None).chain(siege.attacks.iter().map(|attack| Some(&attack.value))) {
            let mut assault = turn(&job, &fort, attack, (&engines, &attackers))?;
            assault.kept = at_peace.map(|peace: f64| assault.answers / peace);
            at_peace = at_peace.or(Some(assault.answers));
            tell(&assault);
            assaults.push(assault);
            if options.stop.load(Relaxed) {
                return Ok(assaults);
            }
        }
        ensure!(at_peace.is_some_and(|answers| answers > 0.0), "weir answers nobody even in peace");
    }
    Ok(assaults)
}

fn turn(
    job: &Job,
    fort: &Fort,
    attack: Option<&Attack>,
    (engines, attackers): (&[Engine], &Engine),
) -> Result<Assault> {
    let (before, cookies_before) = fort.counters()?;
    let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let hands = Tls { handshake: At::implied(Handshake::New), ..Tls::DEFAULT };
    let tls = fort.endpoint_tls(&hands, false)?;
    let running = attack
        .map(|attack| attack::begin(attack, (fort.target(), tls), attackers, (&stop, &sent)))
        .transpose()?;
    let tree = fort.tree();
    let (mut marks, mut cpu) = ([0; 2], [0; 2]);
    let outcome = run(engines, job, |moment| {
        let at = usize::from(moment == crate::load::run::Moment::End);
        if let (Some(mark), Some(cpu)) = (marks.get_mut(at), cpu.get_mut(at)) {
            (*mark, *cpu) = (sent.load(Relaxed), tree.cpu_ns());
        }
    });
    stop.store(true, Relaxed);
    if let Some(thread) = running.flatten() {
        thread.join().map_err(|_| anyhow::anyhow!("the attack's thread died"))??;
    }
    let tally = outcome?.tally;
    let (after, cookies) = fort.counters()?;
    let seconds = job.length.as_secs_f64();
    let per_second = |[begin, end]: [u64; 2]| end.saturating_sub(begin) as f64 / seconds;
    let reasons = after.iter().map(|(reason, n)| (reason.clone(), n - before.get(reason).unwrap_or(&0)));
    let reasons: BTreeMap<String, u64> = reasons.filter(|(_, n)| *n > 0).collect();
    Ok(Assault {
        what: attack.map_or_else(|| "no attack".into(), attack::describe),
        attack: attack.cloned(),
        defended: fort.defended,
        offered: per_second(marks),
        dropped: fort.defended.then(|| reasons.values().sum()),
        cookies: fort.defended.then(|| cookies - cookies_before),
        reasons,
        answers: tally.answers() as f64 / seconds,
        kept: None,
        tally,
        cpu_share: per_second(cpu) / 1e9,
    })
}

fn job(scenario: &Scenario, fort: &Fort, pace: Pace, options: &Options) -> Result<Job> {
    let requests: Vec<_> = scenario.requests.iter().map(|request| request.value.clone()).collect();
    let mix = Mix::new(&requests, &scenario.client, Vec::new());
    let endpoint = fort.endpoint(&scenario.client)?;
    Ok(Job::new(scenario, (Arc::new(endpoint), Arc::new(mix)), pace, &options.stop))
}
