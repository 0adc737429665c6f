//! How a target is chosen among those of an upstream.

use weir_schema::value::HashKey;

use crate::hash::{Bound, Cycle, Maglev, Place, Ring, Two};

/// How a target is chosen. The plan holds the tables; who asks holds counts, loads and what is usable.
#[derive(Clone, Debug, PartialEq)]
pub enum Balance {
    /// One after the other, by weight.
    RoundRobin(Cycle),
    /// The less busy of two drawn at random, by weight.
    LeastRequest(Two),
    /// By a hash ring.
    Ring(Ring, Hashed),
    /// By a Maglev table.
    Maglev(Maglev, Hashed),
}

/// What is hashed, and how much a target may get of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Hashed {
    /// What is hashed: the first of these that the request has; at last the client's address.
    pub by: Vec<HashKey>,
    /// A bound on the load of each target.
    pub bound: Option<Bound>,
}

/// What is known about the targets at this moment. Targets are numbered by their place in `Upstream::targets`.
pub trait State {
    /// The target may get a request: it is well, not draining, and was not tried for this request before.
    fn is_usable(&self, target: usize) -> bool;

    /// The requests that the target carries.
    fn load(&self, target: usize) -> u32;

    /// The requests that all targets carry together.
    fn total(&self) -> u32;
}

/// What a choice is drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw<'a> {
    /// A count that rises by one with each choice.
    Count,
    /// A random number.
    Random,
    /// The [`crate::hash::digest`] of the first of these keys that the request has, at last of the client's address.
    Hash(&'a [HashKey]),
}

impl Balance {
    /// What must be drawn for [`Balance::pick`].
    #[must_use]
    pub fn draw(&self) -> Draw<'_> {
        match self {
            Self::RoundRobin(_) => Draw::Count,
            Self::LeastRequest(_) => Draw::Random,
            Self::Ring(_, hashed) | Self::Maglev(_, hashed) => Draw::Hash(&hashed.by),
        }
    }

    /// The same way to choose, with other weights: what an operator sets while the program runs.
    #[must_use]
    pub fn reweighed(&self, places: &[Place<'_>]) -> Self {
        let hashed = |hashed: &Hashed| Hashed {
            by: hashed.by.clone(),
            bound: hashed.bound.as_ref().map(|bound| bound.reweighed(places)),
        };
        match self {
            Self::RoundRobin(_) => Self::RoundRobin(Cycle::new(places)),
            Self::LeastRequest(_) => Self::LeastRequest(Two::new(places)),
            Self::Ring(ring, by) => Self::Ring(ring.reweighed(places), hashed(by)),
            Self::Maglev(table, by) => Self::Maglev(table.reweighed(places), hashed(by)),
        }
    }

    /// The target for a draw, or none if none is usable. A bound on load yields before no target is chosen at all.
    #[must_use]
    pub fn pick(&self, draw: u64, state: &impl State) -> Option<usize> {
        let usable = |target| state.is_usable(target);
        match self {
            Self::RoundRobin(round) => round.pick(draw, usable),
            Self::LeastRequest(two) => two.pick(draw, usable, |target| state.load(target)),
            Self::Ring(ring, hashed) => bounded(hashed, state, |usable| ring.pick(draw, usable)),
            Self::Maglev(table, hashed) => bounded(hashed, state, |usable| table.pick(draw, usable)),
        }
    }
}

/// Picks among the usable targets below the bound; among all usable ones where the bound leaves none.
fn bounded(
    hashed: &Hashed,
    state: &impl State,
    pick: impl Fn(&dyn Fn(usize) -> bool) -> Option<usize>,
) -> Option<usize> {
    let usable = |target: usize| state.is_usable(target);
    let Some(bound) = &hashed.bound else { return pick(&usable) };
    let total = state.total();
    let room = |target: usize| usable(target) && bound.allows(target, state.load(target), total);
    pick(&room).or_else(|| pick(&usable))
}
