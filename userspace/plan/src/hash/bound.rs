//! Bounded load (Mirrokni, Thorup, Zadimoghaddam, arXiv 1608.01350): no target carries more than its share by a factor.

use super::Place;

/// How much each target may carry at once, as a part of what all carry.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// The factor times the target's part of all weights.
    shares: Box<[f64]>,
    factor: f64,
}

impl Bound {
    /// A bound of `factor` times the mean, weighted; a factor below 1 counts as 1, because less cannot hold.
    #[must_use]
    pub fn new(places: &[Place<'_>], factor: f64) -> Self {
        let total: f64 = places.iter().map(|place| f64::from(place.weight)).sum();
        let share = |place: &Place<'_>| factor.max(1.0) * f64::from(place.weight) / total.max(1.0);
        Self { shares: places.iter().map(share).collect(), factor }
    }

    /// The same bound for other weights.
    #[must_use]
    pub fn reweighed(&self, places: &[Place<'_>]) -> Self {
        Self::new(places, self.factor)
    }

    /// The target may take one more, where it carries `load` and all together carry `total`.
    #[must_use]
    pub fn allows(&self, target: usize, load: u32, total: u32) -> bool {
        let share = self.shares.get(target).copied().unwrap_or(0.0);
        f64::from(load) < (share * (f64::from(total) + 1.0)).ceil()
    }
}
