//! Lets only so many requests pass, counted over all workers together.
//!
//! Counting is exact: a limit of N lets N pass in a window and not one more, however many threads ask, as long as
//! the key keeps its place in the table. Two bounds remain. When a key is new, each further thread that meets it
//! in the same instant may pass one request uncounted. And where several limits hold together, a request that one
//! of them refuses holds its part of the others until it is given back, so that a neighbour may be refused then.
use crate::id::fresh_id;
use crate::{Flow, Leave, Note, Policy, Rank, Reply, Visit};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use weir_message::FieldName;
use weir_schema::policy::OnStoreError;
use weir_wire::Reason;

mod compile;
mod fields;
mod key;
mod limit;
mod store;

pub use fields::Family;
use key::Key;
pub use key::Part;
pub use limit::Count;
use limit::{Limit, Quota};
use store::{Local, Stores};
pub use store::{Store, Taken, Uncounted};

/// One limit as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// How it counts.
    pub count: Count,
    /// `"minute";q=600;w=60`.
    policy: Box<[u8]>,
    /// `"minute"`.
    quoted: Box<[u8]>,
    /// The names of the two fields that are only about this window.
    kong: Option<[FieldName; 2]>,
}

impl Window {
    /// A limit under the name of its period, such as `minute`.
    pub fn new(name: &str, count: Count) -> Window {
        let (limit, window_s) = match count {
            Count::Bucket { count, per_ns, burst } => {
                (burst, (burst * per_ns / count.max(1)).div_ceil(1_000_000_000))
            }
            Count::Fixed { limit, window_s } | Count::Sliding { limit, window_s } => {
                (u64::from(limit), window_s)
            }
        };
        let quoted = format!("\"{name}\"");
        let policy = format!("{quoted};q={limit};w={}", window_s.max(1)).into_bytes().into();
        let mut title = name.to_owned();
        if let Some(first) = title.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let is_window = !matches!(count, Count::Bucket { .. });
        let kong = |what: &str| FieldName::from(&*format!("X-RateLimit-{what}-{title}"));
        let kong = is_window.then(|| [kong("Limit"), kong("Remaining")]);
        Window { count, policy, quoted: quoted.into_bytes().into(), kong }
    }
}

/// Whom a tier is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// Everybody.
    All,
    /// One consumer.
    Consumer(Box<str>),
    /// Members of a group.
    Group(Box<str>),
}

/// Limits for some clients.
#[derive(Debug)]
struct Tier {
    whom: Whom,
    windows: Vec<Window>,
    /// The number of its first limit in the store; the others follow.
    first: usize,
}

/// A limit on requests.
#[derive(Debug)]
pub struct RateLimit {
    id: u64,
    key: Key,
    family: Family,
    /// The first that is meant for a client holds.
    tiers: Vec<Tier>,
    stores: Stores,
    uncounted: AtomicU64,
}

impl RateLimit {
    /// The most windows of one tier.
    pub const WINDOWS_MAX: usize = 8;
    /// What stands in a note for the state of a window that could not be asked.
    const UNKNOWN: u64 = u64::MAX;
    /// What stands in a note behind the states of a request that was refused.
    const REFUSED: u64 = u64::MAX - 1;

    /// Counts by these parts. Of the tiers, the first that is meant for a client holds.
    pub fn new(by: Vec<Part>, tiers: Vec<(Whom, Vec<Window>)>, family: Family, keys_max: usize) -> RateLimit {
        let mut limits = Vec::new();
        let tier = |(whom, mut windows): (Whom, Vec<Window>)| {
            windows.truncate(RateLimit::WINDOWS_MAX);
            let first = limits.len();
            limits.extend(windows.iter().map(|window| Limit::new(window.count, keys_max)));
            Tier { whom, windows, first }
        };
        let tiers = tiers.into_iter().map(tier).collect();
        let stores = Stores { local: Local { limits }, shared: None, on_error: OnStoreError::Local };
        let uncounted = AtomicU64::new(0);
        RateLimit { id: fresh_id(), key: Key::new(by), family, tiers, stores, uncounted }
    }

    /// What happens to a request that cannot be counted.
    #[must_use]
    pub fn on_store_error(mut self, on_error: OnStoreError) -> RateLimit {
        self.stores.on_error = on_error;
        self
    }

    /// Counts in a store that others share.
    #[must_use]
    pub fn shared(mut self, store: Arc<dyn Store>) -> RateLimit {
        self.stores.shared = Some(store);
        self
    }

    /// How many keys were forgotten while they still counted: above 0, `keys_max` is too small.
    pub fn evicted(&self) -> u64 {
        self.stores.local.limits.iter().map(Limit::evicted).sum()
    }

    /// How many requests could not be counted.
    pub fn uncounted(&self) -> u64 {
        self.uncounted.load(Ordering::Relaxed)
    }

    pub(crate) fn rank(&self) -> Rank {
        let by_tier = self.tiers.iter().any(|tier| tier.whom != Whom::All);
        if by_tier || self.key.needs_identity() { Rank::Quota } else { Rank::Rate }
    }

    fn tier(&self, visit: &Visit<'_>) -> Option<(usize, &Tier)> {
        let identity = &visit.pass.identity;
        self.tiers.iter().enumerate().find(|(_, tier)| match &tier.whom {
            Whom::All => true,
            Whom::Group(group) => identity.is_in(group),
            Whom::Consumer(name) => identity.consumer.as_ref().is_some_and(|consumer| consumer.name == *name),
        })
    }
}

impl Policy for RateLimit {
    /// All limits or none: a request that one of them refuses takes nothing from the others.
    fn request(&self, visit: &mut Visit<'_>) -> Flow {
        let Some((place, tier)) = self.tier(visit) else { return Flow::Next };
        let (key, now) = (self.key.of(visit), visit.now);
        visit.pass.note(self.id, Note::Number(place as u64));
        for index in 0..tier.windows.len() {
            let taken = self.stores.take(tier.first + index, key, now);
            let state = taken.map_or(RateLimit::UNKNOWN, |taken| taken.state);
            visit.pass.note(self.id, Note::Number(state));
            let reply = match taken {
                Ok(Taken { passed: true, .. }) => continue,
                Ok(_) => Reply::refuse(429, Reason::OverLimit, "too many requests"),
                Err(Uncounted) => {
                    self.uncounted.fetch_add(1, Ordering::Relaxed);
                    if self.stores.on_error != OnStoreError::Closed {
                        continue;
                    }
                    Reply { detail: "requests cannot be counted at the moment", ..Reply::answer(503, None) }
                }
            };
            visit.pass.note(self.id, Note::Number(RateLimit::REFUSED));
            (tier.first..).take(index).for_each(|limit| self.stores.give_back(limit, key, now));
            return Flow::Reply(reply);
        }
        Flow::Next
    }

    fn response(&self, leave: &mut Leave<'_>) {
        if self.family == Family::None && !matches!(leave.response.status, 429 | 503) {
            return;
        }
        let Some((tier, told)) = self.told(leave) else { return };
        let head = &mut leave.response.head;
        let quotas = told.quotas.get(..told.count).unwrap_or_default();
        let mut written = fields::write(self.family, &tier.windows, quotas, head);
        // RFC 6585, section 4, and RFC 9110, section 10.2.3: whole seconds, and never now.
        if let Some(retry_s) = told.retry_s {
            let number = crate::decimal::Decimal::new(retry_s.max(1));
            written = written.and(head.set_named(&fields::RETRY_AFTER, &[number.text()]));
        }
        debug_assert!(written.is_ok(), "names and numbers are always writable");
    }
}

/// What a client is told.
#[derive(Default)]
struct Told {
    quotas: [Quota; RateLimit::WINDOWS_MAX],
    count: usize,
    /// After how many seconds a request that was refused here may come again.
    retry_s: Option<u64>,
}

impl RateLimit {
    /// The tier that judged a request, and its windows as far as they were asked.
    fn told(&self, leave: &Leave<'_>) -> Option<(&Tier, Told)> {
        let number = |note: &Note| if let Note::Number(number) = note { Some(*number) } else { None };
        let mut notes = leave.pass.notes(self.id).filter_map(number);
        let tier = self.tiers.get(usize::try_from(notes.next()?).ok()?)?;
        let (mut told, mut limits) = (Told::default(), (tier.first..).zip(0..));
        for state in notes {
            if state == RateLimit::REFUSED {
                let last = told.count.checked_sub(1).and_then(|last| told.quotas.get(last));
                told.retry_s = Some(last.map_or(0, |quota| quota.retry_s));
                break;
            }
            let (limit, index) = limits.next()?;
            let known = Some(state).filter(|state| *state != RateLimit::UNKNOWN);
            if let (Some(state), Some(limit)) = (known, self.stores.local.limits.get(limit))
                && let Some(slot) = told.quotas.get_mut(told.count)
            {
                *slot = Quota { index, ..limit.quota(state, leave.now) };
                told.count += 1;
            }
        }
        Some((tier, told))
    }
}

#[cfg(test)]
mod tests;
