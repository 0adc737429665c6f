//! One limit: how many requests a key may make, counted in one of three ways. Each state is one 64-bit number,
//! changed by compare-and-swap, so that no two requests ever pass on the same one.
use super::store::Taken;
use crate::Now;
use crate::table::{Bucket, Counter, Table};
use std::sync::atomic::Ordering;

/// How requests are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// A bucket that holds `burst` and is refilled with `count` in `per_ns`. Kept as GCRA: the state is the
    /// moment at which the bucket will be full.
    Bucket {
        /// Requests.
        count: u64,
        /// Nanoseconds.
        per_ns: u64,
        /// Requests at once.
        burst: u64,
    },
    /// Windows that begin with the clock; the state is the window's number and a count.
    Fixed {
        /// Requests.
        limit: u32,
        /// Seconds.
        window_s: u64,
    },
    /// The last window's worth of time: this window's count, and of the previous one's the share that still
    /// overlaps. The state is the window's number and both counts.
    Sliding {
        /// Requests, at most [`Count::SLIDING_MAX`].
        limit: u32,
        /// Seconds.
        window_s: u64,
    },
}

impl Count {
    /// The largest limit of a sliding window.
    pub const SLIDING_MAX: u32 = (1 << BITS) - 1;
}

/// How many bits each of the two counts of a sliding window has.
const BITS: u32 = 20;
const MASK: u64 = (1 << BITS) - 1;
const EPOCH_MASK: u64 = (1 << (64 - 2 * BITS)) - 1;

/// The state of one limit after a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Quota {
    /// Which window of its tier.
    pub(super) index: usize,
    /// What may be used in the whole window.
    pub(super) limit: u64,
    /// What is left.
    pub(super) remaining: u64,
    /// Seconds until it is whole again.
    pub(super) reset_s: u64,
    /// Seconds until one more request would pass; 0 when one passes now.
    pub(super) retry_s: u64,
}

/// One limit and the counters of all its keys.
#[derive(Debug)]
pub(super) struct Limit {
    rule: Rule,
    table: Table,
}

/// A way of counting, with what it divides by worked out once.
#[derive(Clone, Copy, Debug)]
enum Rule {
    Bucket { each_ns: u64, full_ns: u64, burst: u64 },
    Fixed { limit: u32, window_s: u64 },
    Sliding { limit: u32, window_s: u64 },
}

impl Rule {
    fn new(count: Count) -> Rule {
        match count {
            Count::Bucket { count, per_ns, burst } => {
                let each_ns = (per_ns / count.max(1)).max(1);
                Rule::Bucket { each_ns, full_ns: each_ns.saturating_mul(burst), burst }
            }
            Count::Fixed { limit, window_s } => Rule::Fixed { limit, window_s: window_s.max(1) },
            Count::Sliding { limit, window_s } => Rule::Sliding { limit, window_s: window_s.max(1) },
        }
    }
}

impl Limit {
    pub(super) fn new(count: Count, keys_max: usize) -> Limit {
        Limit { rule: Rule::new(count), table: Table::new(keys_max) }
    }

    pub(super) fn evicted(&self) -> u64 {
        self.table.evicted()
    }

    /// Where a key is counted, if it finds its place at once.
    pub(super) fn place(&self, key: u64) -> Option<&Bucket> {
        self.table.bucket(key)
    }

    /// Takes one request from the key's allowance. Nothing if the key finds no place in the table.
    pub(super) fn take(&self, key: u64, now: Now) -> Option<Taken> {
        let at = Moment { rule: self.rule, now };
        let taken = self.table.change(key, &at, |state| at.taken(state))?;
        Some(match taken {
            Ok(state) => Taken { passed: true, state },
            Err(state) => Taken { passed: false, state },
        })
    }

    /// Gives back what was taken, because another limit refused the request.
    pub(super) fn give_back(&self, key: u64, now: Now) {
        let at = Moment { rule: self.rule, now };
        if let Some(counter) = self.table.find(key) {
            let _unchanged =
                counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |state| at.returned(state));
        }
    }

    /// What a state means for the client.
    pub(super) fn quota(&self, state: u64, now: Now) -> Quota {
        Moment { rule: self.rule, now }.caught_up(state).quota(state)
    }
}

/// A way of counting at one moment.
#[derive(Clone, Copy)]
struct Moment {
    rule: Rule,
    now: Now,
}

impl Counter for Moment {
    fn weight(&self, state: u64) -> u64 {
        let at = self.caught_up(state);
        match at.rule {
            Rule::Bucket { .. } => state.saturating_sub(at.now.mono_ns),
            Rule::Fixed { window_s, .. } => u64::from(fixed(state, at.window(window_s))),
            Rule::Sliding { window_s, .. } => {
                let (previous, current) = sliding(state, at.window(window_s));
                previous + current
            }
        }
    }
}

impl Moment {
    /// This moment as the state has it. Each worker reads the clock once a turn, so another one may have begun the next
    /// window already: what it has counted there counts, or the two would take it from each other.
    fn caught_up(&self, state: u64) -> Moment {
        let (window_s, epoch, mask) = match self.rule {
            Rule::Bucket { .. } => return *self,
            Rule::Fixed { window_s, .. } => (window_s, state >> 32, u64::from(u32::MAX)),
            Rule::Sliding { window_s, .. } => (window_s, state >> (2 * BITS), EPOCH_MASK),
        };
        let next = self.window(window_s) + 1;
        let wall_ms = if epoch == next & mask { next * window_s * 1_000 } else { self.now.wall_ms };
        Moment { now: Now { wall_ms, ..self.now }, ..*self }
    }

    fn window(&self, window_s: u64) -> u64 {
        self.now.wall_s() / window_s
    }

    /// Milliseconds since the window began, and how long it is.
    fn elapsed(&self, window_s: u64) -> (u64, u64) {
        let length_ms = window_s * 1_000;
        (self.now.wall_ms % length_ms, length_ms)
    }

    /// The state after one more request, unless it is one too many.
    fn taken(&self, state: u64) -> Option<u64> {
        let at = self.caught_up(state);
        match at.rule {
            Rule::Bucket { each_ns, full_ns, .. } => {
                let full_at = state.max(at.now.mono_ns) + each_ns;
                (full_at - at.now.mono_ns <= full_ns).then_some(full_at)
            }
            Rule::Fixed { limit, window_s } => {
                let window = at.window(window_s);
                let used = fixed(state, window);
                (used < limit).then(|| window << 32 | u64::from(used + 1))
            }
            Rule::Sliding { limit, window_s } => {
                let window = at.window(window_s);
                let (previous, current) = sliding(state, window);
                let (elapsed_ms, length_ms) = at.elapsed(window_s);
                let used = previous * (length_ms - elapsed_ms) + (current + 1) * length_ms;
                (used <= u64::from(limit) * length_ms).then(|| pack(window, previous, current + 1))
            }
        }
    }

    /// The state with one request less; nothing if its window is over.
    fn returned(&self, state: u64) -> Option<u64> {
        let at = self.caught_up(state);
        match at.rule {
            Rule::Bucket { each_ns, .. } => Some(state.saturating_sub(each_ns)),
            Rule::Fixed { window_s, .. } => (fixed(state, at.window(window_s)) > 0).then(|| state - 1),
            Rule::Sliding { window_s, .. } => {
                let window = at.window(window_s);
                let (previous, current) = sliding(state, window);
                (current > 0).then(|| pack(window, previous, current - 1))
            }
        }
    }

    fn quota(&self, state: u64) -> Quota {
        let (limit, remaining, reset_ms, retry_ms) = match self.rule {
            Rule::Bucket { each_ns, full_ns, burst } => {
                let debt_ns = state.saturating_sub(self.now.mono_ns);
                let remaining = full_ns.saturating_sub(debt_ns) / each_ns;
                let retry_ns = (debt_ns + each_ns).saturating_sub(full_ns);
                (burst, remaining, debt_ns.div_ceil(1_000_000), retry_ns.div_ceil(1_000_000))
            }
            Rule::Fixed { limit, window_s } => {
                let used = fixed(state, self.window(window_s));
                let (elapsed_ms, length_ms) = self.elapsed(window_s);
                let (left, reset_ms) = (limit.saturating_sub(used), length_ms - elapsed_ms);
                (u64::from(limit), u64::from(left), reset_ms, if left == 0 { reset_ms } else { 0 })
            }
            Rule::Sliding { limit, window_s } => self.sliding_quota(state, u64::from(limit), window_s),
        };
        let (reset_s, retry_s) = (reset_ms.div_ceil(1_000), retry_ms.div_ceil(1_000));
        Quota { index: 0, limit, remaining, reset_s, retry_s }
    }

    fn sliding_quota(&self, state: u64, limit: u64, window_s: u64) -> (u64, u64, u64, u64) {
        let (previous, current) = sliding(state, self.window(window_s));
        let (elapsed_ms, length_ms) = self.elapsed(window_s);
        let used = (previous * (length_ms - elapsed_ms)).div_ceil(length_ms) + current;
        let remaining = limit.saturating_sub(used);
        let rest_ms = length_ms - elapsed_ms;
        let retry_ms = if remaining > 0 {
            0
        } else if current < limit {
            // When enough of the previous window has slid out: previous × (length − t) ≤ (limit − 1 − current) × length.
            let room = (limit - 1 - current) * length_ms / previous.max(1);
            length_ms.saturating_sub(room).saturating_sub(elapsed_ms)
        } else {
            let room = limit.saturating_sub(1) * length_ms / current.max(1);
            rest_ms + length_ms.saturating_sub(room)
        };
        (limit, remaining, rest_ms, retry_ms)
    }
}

/// What a fixed window has counted, if the state is of that window.
fn fixed(state: u64, window: u64) -> u32 {
    if state >> 32 == window & u64::from(u32::MAX) {
        u32::try_from(state & u64::from(u32::MAX)).unwrap_or_default()
    } else {
        0
    }
}

/// Previous and current count of a sliding window, whenever the state is from.
fn sliding(state: u64, window: u64) -> (u64, u64) {
    let (previous, current) = (state >> BITS & MASK, state & MASK);
    match (window & EPOCH_MASK).wrapping_sub(state >> (2 * BITS)) & EPOCH_MASK {
        0 => (previous, current),
        1 => (current, 0),
        _ => (0, 0),
    }
}

fn pack(window: u64, previous: u64, current: u64) -> u64 {
    (window & EPOCH_MASK) << (2 * BITS) | previous << BITS | current
}
