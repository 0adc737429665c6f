//! A hash ring as ketama has it: points by name, a key belongs to the next point.

use super::{Place, next_usable, seeded, weighty};

/// Points on a circle of 64 bits. Another target's coming or going moves only the keys that it takes or leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ring {
    points: Box<[Point]>,
    /// For each part of the circle the first point in it or behind it.
    parts: Box<[u32]>,
    /// How far a hash is shifted down to give its part.
    shift: u32,
    weighty: Box<[u16]>,
    /// Points for each unit of weight.
    per_weight: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Point {
    at: u64,
    target: u16,
}

impl Ring {
    /// The ring has this many points at most.
    pub const POINTS_MAX: u64 = 1 << 22;

    /// A ring of `points` points for each unit of weight; of more than `POINTS_MAX` in all the rest is left out.
    #[must_use]
    pub fn new(places: &[Place<'_>], points: u32) -> Self {
        let mut all: Vec<Point> = Vec::new();
        for (target, place) in weighty(places) {
            let count = u64::from(points) * u64::from(place.weight);
            let room = Self::POINTS_MAX.saturating_sub(all.len() as u64);
            all.extend((0..count.min(room)).map(|seed| Point { at: seeded(seed, place.name), target }));
        }
        // Two points at one place are as good as never; the name decides then, not the order written.
        let name = |point: &Point| places.get(usize::from(point.target)).map(|place| place.name);
        all.sort_unstable_by(|a, b| a.at.cmp(&b.at).then_with(|| name(a).cmp(&name(b))));
        let bits = all.len().max(1).ilog2();
        let shift = 63 - bits;
        let parts = (0..2_u64 << bits).map(|part| {
            let first = all.partition_point(|point| point.at < part << shift);
            u32::try_from(first).unwrap_or(0)
        });
        let weighty = weighty(places).map(|(target, _)| target).collect();
        Self { parts: parts.collect(), shift, weighty, per_weight: points, points: all.into() }
    }

    /// The same ring for other weights.
    #[must_use]
    pub fn reweighed(&self, places: &[Place<'_>]) -> Self {
        Self::new(places, self.per_weight)
    }

    /// The target of a hash; where it cannot be used, that of the next point whose target can.
    #[must_use]
    pub fn pick(&self, hash: u64, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let part = usize::try_from(hash >> self.shift).ok()?;
        let near = *self.parts.get(part)? as usize;
        let ahead = self.points.get(near..)?;
        let behind = ahead.iter().take_while(|point| point.at < hash).count();
        let start = near + behind;
        let first = usize::from(self.points.get(start).or_else(|| self.points.first())?.target);
        if usable(first) {
            return Some(first);
        }
        next_usable(self.points.iter().map(|point| point.target), start, &self.weighty, usable)
    }
}
