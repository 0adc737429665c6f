//! Which target of an upstream gets a request.
use crate::upstream::Pool;
use weir_plan::{
    balance::{Draw, State},
    hash::digest,
    key,
    router::Ask,
};
use weir_schema::value::HashKey;

/// The targets that a request has tried already. Those beyond the first 64 are not remembered.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tried(u64);

impl Tried {
    pub(crate) fn insert(&mut self, target: usize) {
        self.0 |= bit(target);
    }

    fn contains(self, target: usize) -> bool {
        self.0 & bit(target) != 0
    }
}

fn bit(target: usize) -> u64 {
    u32::try_from(target).ok().and_then(|target| 1_u64.checked_shl(target)).unwrap_or(0)
}

/// What a choice is made from.
pub(crate) struct Wish<'a> {
    pub(crate) ask: Ask<'a>,
    pub(crate) route: &'a str,
    pub(crate) random: u64,
}

/// A cookie that binds a client to its target from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sticky<'k> {
    pub(crate) name: &'k str,
    /// Its value, in hexadecimal digits.
    pub(crate) value: [u8; 16],
}

/// What a choice is drawn by, once for a request and all its attempts.
pub(crate) fn draw<'p>(pool: &'p Pool, wish: &Wish<'_>) -> (u64, Option<Sticky<'p>>) {
    // The keys are those of the plan, whatever the weights are.
    match pool.upstream.balance.draw() {
        Draw::Count => (pool.turn(), None),
        Draw::Random => (wish.random, None),
        Draw::Hash(keys) => {
            let found = key::find(keys, wish.route, &wish.ask);
            match (found.of, keys.last()) {
                (None, Some(HashKey::Cookie(name))) => {
                    let sticky = Sticky { name, value: hexadecimal(wish.random) };
                    (digest(&sticky.value), Some(sticky))
                }
                _ => (found.hash, None),
            }
        }
    }
}

/// Chooses a target, or none if none may be used.
pub(crate) fn pick(pool: &Pool, draw: u64, random: u64, tried: Tried) -> Option<usize> {
    let now_ms = pool.ms();
    let usable = Usable { pool, tried, now_ms, any: false, warming: None };
    pool.balance(|balance| {
        if pool.panics(now_ms, false) {
            return balance.pick(draw, &Usable { any: true, ..usable });
        }
        // A key belongs to its target, so hashing does not wait for one to be warm.
        let slow = !pool.upstream.slow_start.is_zero() && !matches!(balance.draw(), Draw::Hash(_));
        let warming = slow.then_some(random);
        let found = warming.and_then(|_| balance.pick(draw, &Usable { warming, ..usable }));
        found.or_else(|| balance.pick(draw, &usable)).or_else(|| {
            let any = pool.panics(now_ms, true);
            any.then(|| balance.pick(draw, &Usable { any, ..usable })).flatten()
        })
    })
}

#[derive(Clone, Copy)]
struct Usable<'a> {
    pool: &'a Pool,
    tried: Tried,
    now_ms: u64,
    /// Even those that are not well.
    any: bool,
    /// Targets that are new or well again are passed over as often as this number says.
    warming: Option<u64>,
}

impl State for Usable<'_> {
    fn is_usable(&self, target: usize) -> bool {
        !self.tried.contains(target)
            && !self.pool.is_drained(target)
            && (self.any || self.pool.is_well(target, self.now_ms))
            && self.warming.is_none_or(|random| self.is_warm(target, random))
    }

    fn load(&self, target: usize) -> u32 {
        self.pool.load(target)
    }

    fn total(&self) -> u32 {
        self.pool.total()
    }
}

impl Usable<'_> {
    fn is_warm(&self, target: usize, random: u64) -> bool {
        let dice = u32::try_from((random.rotate_left(16) ^ target as u64) & 0xffff).unwrap_or(0);
        f64::from(dice) < self.pool.warmth(target, self.now_ms) * 65_536.0
    }
}

fn hexadecimal(number: u64) -> [u8; 16] {
    let digit = |at: u64| b"0123456789abcdef".get(usize::try_from(number >> (60 - at * 4) & 15).unwrap_or(0));
    let mut at = 0;
    [(); 16].map(|()| {
        at += 1;
        digit(at - 1).copied().unwrap_or(b'0')
    })
}
