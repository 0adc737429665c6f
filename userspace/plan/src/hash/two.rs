//! The power of two choices: of two targets drawn at random, the less busy one (Mitzenmacher 2001).

use super::{Cycle, Place};

/// Draws two targets by weight and takes the one that carries less for its weight.
#[derive(Clone, Debug, PartialEq)]
pub struct Two {
    round: Cycle,
    weights: Box<[u32]>,
}

impl Two {
    /// Draws among these.
    #[must_use]
    pub fn new(places: &[Place<'_>]) -> Self {
        let weights = places.iter().map(|place| place.weight.max(1)).collect();
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
        let first = self.round.draw(random, &usable)?;
        let second = self.round.draw(random << 32, |target| target != first && usable(target));
        // Load by weight, compared crosswise: a division costs more than the whole choice.
        let weight = |target: usize| u64::from(self.weights.get(target).copied().unwrap_or(1));
        match second {
            Some(second)
                if u64::from(load(second)) * weight(first) < u64::from(load(first)) * weight(second) =>
            {
                Some(second)
            }
            _ => Some(first),
        }
    }
}
