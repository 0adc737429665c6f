//! The power of two choices: of two targets drawn at random, the less busy one (Mitzenmacher 2001).

use super::{Cycle, Place};

/// Draws two targets by weight and takes the one that carries less for its weight.
#[derive(Clone, Debug, PartialEq)]
pub struct Two {
    round: Cycle,
    weights: Box<[f64]>,
}

impl Two {
    /// Draws among these.
    #[must_use]
    pub fn new(places: &[Place<'_>]) -> Self {
        let weights = places.iter().map(|place| f64::from(place.weight.max(1))).collect();
        Self { round: Cycle::new(places), weights }
    }

    /// The less busy of two usable targets. Without a second one the first will do; where a drawn one cannot be used,
    /// the next in the round stands in.
    #[must_use]
    pub fn pick(
        &self,
        random: u64,
        usable: impl Fn(usize) -> bool,
        load: impl Fn(usize) -> u32,
    ) -> Option<usize> {
        let first = self.round.pick(random >> 32, &usable)?;
        let second = self.round.pick(random & 0xffff_ffff, |target| target != first && usable(target));
        let busy = |target: usize| f64::from(load(target)) / self.weights.get(target).copied().unwrap_or(1.0);
        match second {
            Some(second) if busy(second) < busy(first) => Some(second),
            _ => Some(first),
        }
    }
}
