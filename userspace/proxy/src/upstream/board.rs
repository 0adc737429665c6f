//! What all workers and the control thread know together about the targets of upstreams.
//!
//! Workers read it with each choice; it is written only when something changes: a check, an ejection, an operator's
//! order. It outlives plans, so that what is drained stays drained over a reload.
use super::permits::Permits;
use super::pulse::{Pulse, State};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use weir_plan::Plan;
use weir_plan::upstream::{Breaker, Upstream};

/// The state of all targets of all upstreams.
#[derive(Debug)]
pub struct Board {
    epoch: Instant,
    workers: u32,
    upstreams: Mutex<BTreeMap<Arc<str>, Arc<Standing>>>,
}

/// What is common to all workers about one upstream.
#[derive(Debug)]
pub(crate) struct Standing {
    targets: Mutex<Targets>,
    breaker: Mutex<Option<(Breaker, Permits4)>>,
    /// Rises whenever an operator sets a weight.
    pub(crate) weighed: AtomicU64,
    /// One target is left out at a time, so that the largest share of them holds.
    pub(crate) ejecting: Mutex<()>,
}

#[derive(Debug, Default)]
struct Targets {
    pulses: BTreeMap<Arc<str>, Arc<Pulse>>,
    /// Requests are served; a target that comes from now on is new.
    begun: bool,
}

/// The limits of a breaker: connections, pending, requests, retries.
pub(crate) type Permits4 = [Arc<Permits>; 4];

/// One upstream, for whoever looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamView {
    /// Its name.
    pub name: Arc<str>,
    /// Its targets in the order written.
    pub targets: Vec<TargetView>,
}

/// One target, for whoever looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetView {
    /// Its address as written.
    pub name: Arc<str>,
    /// How it does.
    pub state: State,
    /// The weight in force.
    pub weight: u32,
    /// The weight that an operator has set, if one has.
    pub weight_set: Option<u32>,
    /// Why the last check failed; empty if it did not.
    pub complaint: String,
}

/// Why an order cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unheeded {
    /// No upstream has this name.
    #[error("there is no upstream `{0}`")]
    NoUpstream(String),
    /// The upstream has no such target.
    #[error("upstream `{0}` has no target `{1}`; it has {2}")]
    NoTarget(String, String, String),
    /// Nothing would be left to choose from.
    #[error("upstream `{0}` would have no target with a weight; drain it instead, or remove its routes")]
    NoWeight(String),
}

impl Default for Board {
    fn default() -> Board {
        Board::new(1)
    }
}

impl Board {
    /// A board for this many workers at most.
    pub fn new(workers: u32) -> Board {
        Board { epoch: Instant::now(), workers: workers.max(1), upstreams: Mutex::default() }
    }

    /// Milliseconds since the board was put up; never 0.
    pub(crate) fn ms(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.epoch).as_millis();
        u64::try_from(since).unwrap_or(u64::MAX).saturating_add(1)
    }

    pub(crate) fn workers(&self) -> u32 {
        self.workers
    }

    /// What is common about an upstream.
    pub(crate) fn standing(&self, name: &Arc<str>) -> Arc<Standing> {
        Arc::clone(lock(&self.upstreams).entry(Arc::clone(name)).or_default())
    }

    /// Every upstream of a plan as it is now.
    #[must_use]
    pub fn view(&self, plan: &Plan) -> Vec<UpstreamView> {
        plan.upstreams.iter().map(|upstream| self.view_one(upstream)).collect()
    }

    fn view_one(&self, upstream: &Upstream) -> UpstreamView {
        let standing = self.standing(&upstream.name);
        let now = self.ms(Instant::now());
        let targets = upstream.targets.iter().map(|target| {
            let pulse = standing.pulse(&target.name, now);
            TargetView {
                name: Arc::clone(&target.name),
                state: pulse.state(now),
                weight: pulse.weight(target.weight),
                weight_set: pulse.weight_set(),
                complaint: pulse.complaint(),
            }
        });
        UpstreamView { name: Arc::clone(&upstream.name), targets: targets.collect() }
    }

    /// How much of each limit of its breaker workers hold for an upstream: connections, pending, requests. What they
    /// hold they need not use at the moment.
    #[must_use]
    pub fn held(&self, upstream: &Upstream) -> [u32; 4] {
        self.standing(&upstream.name).permits(upstream.breaker).each_ref().map(|permits| permits.out())
    }

    /// Takes a target out of use, or back into it. What it serves now it may finish.
    ///
    /// # Errors
    /// There is no such upstream or target.
    pub fn drain(&self, plan: &Plan, upstream: &str, target: &str, drained: bool) -> Result<(), Unheeded> {
        let (upstream, at) = find(plan, upstream, target)?;
        let standing = self.standing(&upstream.name);
        let now = self.ms(Instant::now());
        if let Some(target) = upstream.targets.get(at) {
            standing.pulse(&target.name, now).drain(drained, now);
        }
        Ok(())
    }

    /// Gives a target another weight until the program ends; none gives it back the one written.
    ///
    /// # Errors
    /// There is no such upstream or target, or no target would have a weight.
    pub fn weigh(
        &self,
        plan: &Plan,
        upstream: &str,
        target: &str,
        weight: Option<u32>,
    ) -> Result<(), Unheeded> {
        let (upstream, at) = self.find_weighed(plan, (upstream, target), weight)?;
        let standing = self.standing(&upstream.name);
        let now = self.ms(Instant::now());
        if let Some(target) = upstream.targets.get(at) {
            standing.pulse(&target.name, now).set_weight(weight);
            standing.weighed.fetch_add(1, Relaxed);
        }
        Ok(())
    }

    /// Whether a target could be taken out of use, or given a weight: what [`Board::drain`] and [`Board::weigh`] would say.
    ///
    /// # Errors
    /// Those of the two.
    pub fn may_steer(
        &self,
        plan: &Plan,
        (upstream, target): (&str, &str),
        weight: Option<Option<u32>>,
    ) -> Result<(), Unheeded> {
        match weight {
            Some(weight) => self.find_weighed(plan, (upstream, target), weight).map(drop),
            None => find(plan, upstream, target).map(drop),
        }
    }

    /// A target that may have this weight.
    fn find_weighed<'p>(
        &self,
        plan: &'p Plan,
        (upstream, target): (&str, &str),
        weight: Option<u32>,
    ) -> Result<(&'p Arc<Upstream>, usize), Unheeded> {
        let (upstream, at) = find(plan, upstream, target)?;
        let standing = self.standing(&upstream.name);
        let now = self.ms(Instant::now());
        let weight_of = |index: usize, target: &weir_plan::upstream::Target| match weight {
            Some(weight) if index == at => weight,
            None if index == at => target.weight,
            _ => standing.pulse(&target.name, now).weight(target.weight),
        };
        if upstream.targets.iter().enumerate().all(|(index, target)| weight_of(index, target) == 0) {
            return Err(Unheeded::NoWeight(upstream.name.to_string()));
        }
        Ok((upstream, at))
    }

    /// Takes in what a check has found about a target: it is well, or why it is not.
    pub fn report(&self, upstream: &Arc<str>, target: &Arc<str>, found: Result<(), String>) {
        let now = self.ms(Instant::now());
        self.standing(upstream).pulse(target, now).report(found, now);
    }

    /// Nobody checks this target any more, so nothing speaks against it.
    pub fn unwatched(&self, upstream: &Arc<str>, target: &Arc<str>) {
        self.standing(upstream).pulse(target, self.ms(Instant::now())).forget_checks();
    }
}

impl Default for Standing {
    fn default() -> Standing {
        Standing {
            targets: Mutex::default(),
            breaker: Mutex::default(),
            weighed: AtomicU64::new(0),
            ejecting: Mutex::default(),
        }
    }
}

impl Standing {
    /// The pulse of a target.
    fn pulse(&self, target: &Arc<str>, now_ms: u64) -> Arc<Pulse> {
        let Targets { pulses, begun } = &mut *lock(&self.targets);
        let since = if *begun { now_ms } else { 0 };
        Arc::clone(pulses.entry(Arc::clone(target)).or_insert_with(|| Arc::new(Pulse::new(since))))
    }

    /// The pulses of a plan's targets in their order, for requests to be served.
    pub(crate) fn pulses(&self, upstream: &Upstream, now_ms: u64) -> Vec<Arc<Pulse>> {
        let pulses = upstream.targets.iter().map(|target| self.pulse(&target.name, now_ms)).collect();
        lock(&self.targets).begun = true;
        pulses
    }

    /// The limits that all workers share; new ones when the plan has others.
    pub(crate) fn permits(&self, breaker: Breaker) -> Permits4 {
        let mut known = lock(&self.breaker);
        if let Some((_, permits)) = known.as_ref().filter(|(written, _)| *written == breaker) {
            return permits.clone();
        }
        let permits =
            [breaker.connections_max, breaker.pending_max, breaker.requests_max, breaker.retries_max]
                .map(|max| Arc::new(Permits::new(max)));
        *known = Some((breaker, permits.clone()));
        permits
    }
}

fn find<'p>(plan: &'p Plan, upstream: &str, target: &str) -> Result<(&'p Arc<Upstream>, usize), Unheeded> {
    let found = plan.upstreams.iter().find(|known| *known.name == *upstream);
    let found = found.ok_or_else(|| Unheeded::NoUpstream(upstream.to_owned()))?;
    let at = found.targets.iter().position(|known| *known.name == *target);
    let at = at.ok_or_else(|| {
        let names: Vec<&str> = found.targets.iter().map(|known| &*known.name).collect();
        Unheeded::NoTarget(upstream.to_owned(), target.to_owned(), names.join(", "))
    })?;
    Ok((found, at))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
