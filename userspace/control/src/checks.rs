//! Asks the targets of upstreams at intervals whether they are well, whatever the traffic.
mod probe;
mod streak;

use probe::Aim;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use streak::Streak;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use weir_plan::Plan;
use weir_plan::upstream::{Active, Upstream};

/// Checks at once; more wait for their turn.
const AT_ONCE_MAX: usize = 64;

/// Takes in what is found about a target of an upstream: it is well, why it is not, or none if nobody asks any more.
pub type Report = dyn Fn(&Arc<str>, &Arc<str>, Option<Result<(), String>>);

/// Every check that runs.
pub struct Checks {
    report: Rc<Report>,
    places: Rc<Semaphore>,
    running: RefCell<BTreeMap<Key, Running>>,
}

/// An upstream and one of its targets.
type Key = (Arc<str>, Arc<str>);

/// A check that runs, and ends with this.
struct Running {
    upstream: Arc<Upstream>,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Checks {
    /// No checks yet. `report` is called whenever a target changes, and once when it is not asked any more.
    #[must_use]
    pub fn new(report: Rc<Report>) -> Checks {
        Checks { report, places: Rc::new(Semaphore::new(AT_ONCE_MAX)), running: RefCell::default() }
    }

    /// Checks what a plan wants checked, and nothing else. A check that is wanted as before goes on.
    pub fn sync(&self, plan: &Plan) {
        let mut wanted: BTreeMap<Key, (Arc<Upstream>, usize)> = BTreeMap::new();
        for upstream in plan.upstreams.iter().filter(|upstream| upstream.health.active.is_some()) {
            for (index, target) in upstream.targets.iter().enumerate() {
                let key = (Arc::clone(&upstream.name), Arc::clone(&target.name));
                wanted.insert(key, (Arc::clone(upstream), index));
            }
        }
        let mut running = self.running.borrow_mut();
        running.retain(|key, check| {
            let keep = wanted.get(key).is_some_and(|(upstream, _)| is_alike(upstream, &check.upstream));
            if !keep && !wanted.contains_key(key) {
                (self.report)(&key.0, &key.1, None);
            }
            keep
        });
        for (key, (upstream, index)) in wanted {
            running.entry(key).or_insert_with_key(|key| self.start(key, upstream, index));
        }
    }

    fn start(&self, key: &Key, upstream: Arc<Upstream>, index: usize) -> Running {
        let (report, places, own) = (Rc::clone(&self.report), Rc::clone(&self.places), Arc::clone(&upstream));
        let (name, target) = key.clone();
        let checking = async move {
            let Some(active) = &own.health.active else { return };
            let found = |found: Result<(), String>| {
                match &found {
                    Ok(()) => tracing::info!(upstream = %name, %target, "well"),
                    Err(why) => tracing::warn!(upstream = %name, %target, "not well: {why}"),
                }
                report(&name, &target, Some(found));
            };
            check(&own, index, active, &places, found).await;
        };
        Running { upstream, task: tokio::task::spawn_local(checking).abort_handle() }
    }
}

/// Nothing that a check depends on is different. TLS may have new certificates with every plan, so it never is alike.
fn is_alike(one: &Upstream, other: &Upstream) -> bool {
    one.health.active == other.health.active
        && one.protocol == other.protocol
        && one.proxy_protocol == other.proxy_protocol
        && one.tls.is_none()
        && other.tls.is_none()
}

/// Asks one target for ever.
async fn check(
    upstream: &Upstream,
    index: usize,
    active: &Active,
    places: &Semaphore,
    found: impl Fn(Result<(), String>),
) {
    let Some(aim) = Aim::new(upstream, index) else { return };
    let random = RandomState::new();
    let mut streak = Streak::new(active.healthy_after, active.unhealthy_after);
    loop {
        let Ok(place) = places.acquire().await else { return };
        let outcome = match tokio::time::timeout(active.timeout, aim.probe(&active.probe)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(format!("no answer within {} ms", active.timeout.as_millis())),
        };
        drop(place);
        if streak.sees(outcome.is_ok()) {
            found(outcome);
        }
        tokio::time::sleep(interval(active.every, random.hash_one(Instant::now()))).await;
    }
}

/// Give or take a tenth, so that hosts with the same configuration do not ask together.
fn interval(every: Duration, random: u64) -> Duration {
    let dice = u32::try_from(random & 0xffff).unwrap_or(0);
    every.mul_f64(0.9 + 0.2 * f64::from(dice) / 65_536.0)
}

#[cfg(test)]
mod tests;
