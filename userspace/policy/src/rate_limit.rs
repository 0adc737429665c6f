//! Lets only so many requests pass, counted over all workers together.
//!
//! Counting is exact: a limit of N lets N pass in a window and not one more, however many threads ask, as long as
//! the key keeps its place in the table. Two bounds remain. When a key is new, each further thread that meets it
//! in the same instant may pass one request uncounted. And where several limits hold together, a request that one
//! of them refuses holds its part of the others until it is given back, so that a neighbour may be refused then.
use crate::decimal::Decimal;
use crate::id::fresh_id;
use crate::{Bucket, Client, Flow, Leave, Note, Now, Policy, Rank, Reply, Visit};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use weir_message::{FieldLine, FieldName};
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
    /// `RateLimit-Policy: "minute";q=600;w=60`.
    policy: Option<FieldLine>,
    /// `"minute";r=`.
    left: Box<[u8]>,
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
        let policy = format!("{quoted};q={limit};w={}", window_s.max(1));
        let policy = FieldLine::new("RateLimit-Policy", policy.as_bytes()).ok();
        let mut title = name.to_owned();
        if let Some(first) = title.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let is_window = !matches!(count, Count::Bucket { .. });
        let kong = |what: &str| FieldName::from(&*format!("X-RateLimit-{what}-{title}"));
        let kong = is_window.then(|| [kong("Limit"), kong("Remaining")]);
        Window { count, policy, left: format!("{quoted};r=").into_bytes().into(), kong }
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

    /// The memory in which the next request of a client will be counted, as far as that is known before the request is read.
    pub fn places(&self, client: &Client) -> impl Iterator<Item = &Bucket> {
        let first = self.tiers.first().filter(|tier| tier.whom == Whom::All && self.stores.shared.is_none());
        let known = first.and_then(|tier| Some((tier, self.key.of_client(client)?)));
        known.into_iter().flat_map(|(tier, key)| {
            let limits = self.stores.local.limits.iter().skip(tier.first).take(tier.windows.len());
            limits.filter_map(move |limit| limit.place(key))
        })
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
    /// A connection whose bytes are carried counts as a request does.
    fn connect(&self, client: &Client, now: Now) -> Flow {
        let tier = self.tiers.first().filter(|tier| tier.whom == Whom::All);
        let (Some(tier), key) = (tier, self.key.of_address(client)) else { return Flow::Next };
        for index in 0..tier.windows.len() {
            let is_refused = match self.stores.take(tier.first + index, key, now) {
                Ok(taken) => !taken.passed,
                Err(Uncounted) => {
                    self.uncounted.fetch_add(1, Ordering::Relaxed);
                    self.stores.on_error == OnStoreError::Closed
                }
            };
            if is_refused {
                (tier.first..).take(index).for_each(|limit| self.stores.give_back(limit, key, now));
                return Flow::Close(Reason::OverLimit);
            }
        }
        Flow::Next
    }

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
        let Leave { pass, response, now, .. } = leave;
        let mut numbers = pass.numbers(self.id);
        let Some(tier) = numbers.next().and_then(|place| self.tiers.get(usize::try_from(place).ok()?)) else {
            return;
        };
        let states = numbers.clone().take_while(|number| *number != RateLimit::REFUSED);
        let quotas = states.enumerate().filter_map(|(index, state)| self.quota(tier, index, state, *now));
        let head = &mut response.head;
        fields::write(self.family, &tier.windows, quotas.clone(), head);
        // RFC 6585, section 4, and RFC 9110, section 10.2.3: whole seconds, and never now.
        if numbers.any(|number| number == RateLimit::REFUSED) {
            let retry_s = quotas.last().map_or(0, |quota| quota.retry_s);
            head.set_own(&fields::RETRY_AFTER, &[Decimal::new(retry_s.max(1)).text()]);
        }
    }
}

impl RateLimit {
    /// What a state of one of a tier's windows means for the client; nothing if the window could not be asked.
    fn quota(&self, tier: &Tier, index: usize, state: u64, now: Now) -> Option<Quota> {
        let limit = self.stores.local.limits.get(tier.first + index)?;
        (state != RateLimit::UNKNOWN).then(|| Quota { index, ..limit.quota(state, now) })
    }
}

#[cfg(test)]
mod tests;
