//! Lets only so many requests pass, counted over all workers together.
//!
//! Counting is exact: a limit of N lets N pass in a window and not one more, however many threads ask, as long as
//! the key keeps its place in the table. Two bounds remain. When a key is new, each further thread that meets it
//! in the same instant may pass one request uncounted. And where several limits hold together, a request that one
//! of them refuses holds its part of the others until it is given back, so that a neighbour may be refused then.
use crate::id::fresh_id;
use crate::{Flow, Leave, Note, Policy, Quota, Rank, Reply, Visit};
use weir_wire::Reason;

mod compile;
mod fields;
mod key;
mod limit;

pub use fields::Family;
use key::Key;
pub use key::Part;
pub use limit::Count;
use limit::{Limit, Taken};

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
    kong: Option<[Box<str>; 2]>,
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
        let kong = |what: &str| format!("X-RateLimit-{what}-{title}").into();
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
    limits: Vec<Limit>,
}

/// A limit on requests.
#[derive(Debug)]
pub struct RateLimit {
    id: u64,
    key: Key,
    family: Family,
    /// The first that is meant for a client holds.
    tiers: Vec<Tier>,
}

impl RateLimit {
    /// The most windows of one tier.
    pub const WINDOWS_MAX: usize = 8;

    /// Counts by these parts. Of the tiers, the first that is meant for a client holds. A name for a client in
    /// IPv6 has 64 bits: less would be a way around the limit.
    pub fn new(by: Vec<Part>, tiers: Vec<(Whom, Vec<Window>)>, family: Family, keys_max: usize) -> RateLimit {
        let tier = |(whom, mut windows): (Whom, Vec<Window>)| {
            windows.truncate(RateLimit::WINDOWS_MAX);
            let limits = windows.iter().map(|window| Limit::new(window.count, keys_max)).collect();
            Tier { whom, windows, limits }
        };
        let tiers = tiers.into_iter().map(tier).collect();
        RateLimit { id: fresh_id(), key: Key::new(by, 64), family, tiers }
    }

    /// How many keys were forgotten while they still counted: above 0, `keys_max` is too small.
    pub fn evicted(&self) -> u64 {
        self.tiers.iter().flat_map(|tier| &tier.limits).map(Limit::evicted).sum()
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
        let key = self.key.of(visit);
        for (index, limit) in tier.limits.iter().enumerate() {
            let number = u32::try_from(place << 8 | index).unwrap_or_default();
            match limit.take(key, visit.now) {
                Taken::Passed(quota) => {
                    visit.pass.note(self.id, Note::Quota(Quota { index: number, ..quota }));
                }
                Taken::Over(quota) => {
                    visit.pass.note(self.id, Note::Quota(Quota { index: number, ..quota }));
                    for earlier in tier.limits.iter().take(index) {
                        earlier.give_back(key, visit.now);
                    }
                    return Flow::Reply(Reply::refuse(429, Reason::OverLimit, "too many requests"));
                }
            }
        }
        Flow::Next
    }

    fn response(&self, leave: &mut Leave<'_>) {
        let mut quotas = [Quota::default(); RateLimit::WINDOWS_MAX];
        let mut count = 0;
        let notes = leave
            .pass
            .notes(self.id)
            .filter_map(|note| if let Note::Quota(quota) = note { Some(quota) } else { None });
        for (slot, quota) in quotas.iter_mut().zip(notes) {
            *slot = *quota;
            count += 1;
        }
        let quotas = quotas.get(..count).unwrap_or_default();
        let tier = quotas.first().and_then(|quota| self.tiers.get(quota.index as usize >> 8));
        let Some(tier) = tier else { return };
        let head = &mut leave.response.head;
        let mut written = fields::write(self.family, &tier.windows, quotas, head);
        // RFC 6585, section 4, and RFC 9110, section 10.2.3: whole seconds, and never now.
        let retry_s = quotas.last().map_or(0, |quota| quota.retry_s);
        if leave.response.status == 429 && retry_s > 0 {
            let number = crate::decimal::Decimal::new(retry_s);
            written = written.and(head.set("Retry-After", number.text()));
        }
        debug_assert!(written.is_ok(), "names and numbers are always writable");
    }
}

#[cfg(test)]
mod tests;
