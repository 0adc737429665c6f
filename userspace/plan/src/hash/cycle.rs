//! Weighted round robin: one round of turns, as even as the weights allow, made once.

use super::{Place, scale};

/// The order of turns in one round. Who asks keeps the count, so that every worker can have its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    turns: Box<[u16]>,
}

impl Cycle {
    /// A round has this many turns at most; heavier weights are scaled down to it.
    pub const TURNS_MAX: u64 = 1 << 16;

    /// A round in which each target has as many turns as its weight, spread evenly.
    #[must_use]
    pub fn new(places: &[Place<'_>]) -> Self {
        let weights = reduced(places);
        let mut turns: Vec<(u64, u16)> = Vec::new();
        for (target, weight) in (0..u16::MAX).zip(weights) {
            // Turn k of w falls in the middle of its part of the round.
            let at = |turn: u64| (2 * turn + 1).saturating_mul(1 << 40) / (2 * weight.max(1));
            turns.extend((0..weight).map(|turn| (at(turn), target)));
        }
        turns.sort_unstable();
        Self { turns: turns.into_iter().map(|(_, target)| target).collect() }
    }

    /// The target whose turn it is; where it cannot be used, the next that can.
    #[must_use]
    pub fn pick(&self, count: u64, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let start = usize::try_from(count.checked_rem(self.turns.len() as u64)?).ok()?;
        self.at(start, usable)
    }

    /// The target of a turn drawn at random, by the upper bits; where it cannot be used, the next that can.
    #[must_use]
    pub fn draw(&self, random: u64, usable: impl Fn(usize) -> bool) -> Option<usize> {
        self.at(scale(random, self.turns.len()), usable)
    }

    fn at(&self, start: usize, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let len = self.turns.len();
        let first = usize::from(*self.turns.get(start)?);
        if usable(first) {
            return Some(first);
        }
        let around = self.turns.iter().cycle().skip(start + 1).take(len);
        around.map(|target| usize::from(*target)).find(|target| *target != first && usable(*target))
    }

    /// How many turns a round has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.turns.len()
    }

    /// No target has a weight.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }
}

/// The weights divided by what they share, and scaled down where a round would be too long. What has a weight keeps one.
fn reduced(places: &[Place<'_>]) -> Vec<u64> {
    let shared = places.iter().fold(0, |shared, place| gcd(shared, u64::from(place.weight))).max(1);
    let total: u64 = places.iter().map(|place| u64::from(place.weight) / shared).sum();
    let scaled = |weight: u64| {
        if total <= Cycle::TURNS_MAX || weight == 0 {
            return weight;
        }
        let part = u128::from(weight) * u128::from(Cycle::TURNS_MAX) / u128::from(total);
        u64::try_from(part).unwrap_or(1).max(1)
    };
    places.iter().map(|place| scaled(u64::from(place.weight) / shared)).collect()
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
