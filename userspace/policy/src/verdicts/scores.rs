//! Decaying scores by client: an address of IPv4, a network of IPv6. A score and its moment are one 64-bit number, changed by compare-and-swap.
use crate::seed::Seed;
use crate::table::{Counter, Table};
use std::net::Ipv6Addr;
use std::sync::atomic::Ordering;

/// Points are kept in thousandths, moments in units of about a millisecond, of which 32 bits last 52 days,
/// half of them ahead.
const TICK: u32 = 20;

#[derive(Debug)]
pub(super) struct Scores {
    half_life_ns: u64,
    seed: Seed,
    table: Table,
}

/// Decay as seen from one moment.
#[derive(Clone, Copy)]
struct Moment {
    tick: u32,
    half_life: f64,
}

impl Scores {
    pub(super) fn new(half_life_ns: u64, clients_max: usize) -> Scores {
        Scores { half_life_ns: half_life_ns.max(1), seed: Seed::new(), table: Table::new(clients_max) }
    }

    pub(super) fn evicted(&self) -> u64 {
        self.table.evicted()
    }

    /// Adds points, and says the score if with them it has reached the threshold. Then it begins again from
    /// nothing, so that each ban takes a whole threshold's worth of refusals and only one thread asks for it.
    ///
    /// A part of a point counts as a whole one: what decays while refusals follow each other must not cost one more.
    pub(super) fn add(&self, address: Ipv6Addr, points: u32, threshold: u32, mono_ns: u64) -> Option<u32> {
        let at = self.moment(mono_ns);
        let mut score = 0;
        let next = |state| {
            let milli = at.score(state) + u64::from(points) * 1_000;
            score = milli.div_ceil(1_000);
            Some(if score >= u64::from(threshold) { 0 } else { at.pack(milli) })
        };
        let added = self.table.change(self.seed.client(address), &at, next)?;
        (added == Ok(0)).then(|| u32::try_from(score).unwrap_or(u32::MAX))
    }

    /// Takes points off a client that has any.
    pub(super) fn take_off(&self, address: Ipv6Addr, points: u32, mono_ns: u64) {
        let Some(counter) = self.table.find(self.seed.client(address)) else { return };
        let at = self.moment(mono_ns);
        let _unchanged = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |state| {
            let milli = at.score(state);
            (milli > 0).then(|| at.pack(milli.saturating_sub(u64::from(points) * 1_000)))
        });
    }

    pub(super) fn find(&self, address: Ipv6Addr, mono_ns: u64) -> u32 {
        let counter = self.table.find(self.seed.client(address));
        let milli = counter.map_or(0, |counter| self.moment(mono_ns).score(counter.load(Ordering::Relaxed)));
        u32::try_from(milli / 1_000).unwrap_or(u32::MAX)
    }

    fn moment(&self, mono_ns: u64) -> Moment {
        let tick = u32::try_from(mono_ns >> TICK & u64::from(u32::MAX)).unwrap_or_default();
        let half_life = std::time::Duration::from_nanos(self.half_life_ns).as_secs_f64();
        Moment { tick, half_life }
    }
}

impl Moment {
    /// The score of a state, decayed to this moment, in thousandths of a point.
    fn score(&self, state: u64) -> u64 {
        let milli = u32::try_from(state >> 32).unwrap_or_default();
        if milli == 0 {
            return 0;
        }
        let age_ns = u64::from(self.since(state)) << TICK;
        let age = std::time::Duration::from_nanos(age_ns).as_secs_f64();
        let left = f64::from(milli) * (-age / self.half_life).exp2();
        std::time::Duration::try_from_secs_f64(left).map_or(0, |left| left.as_secs())
    }

    /// The ticks since a state's moment: none if that is later, as it can be, since each worker reads the clock once a turn.
    fn since(&self, state: u64) -> u32 {
        let then = u32::try_from(state & u64::from(u32::MAX)).unwrap_or_default();
        let ticks = self.tick.wrapping_sub(then);
        if ticks > u32::MAX / 2 { 0 } else { ticks }
    }

    fn pack(&self, milli: u64) -> u64 {
        milli.min(u64::from(u32::MAX)) << 32 | u64::from(self.tick)
    }
}

impl Counter for Moment {
    fn weight(&self, value: u64) -> u64 {
        self.score(value)
    }
}
