//! The table of Maglev (Eisenbud et al., NSDI 2016, section 3.4), with weights.

use super::{Place, next_usable, scale, seeded, weighty};

/// A table in which each target holds places in proportion to its weight, spread by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maglev {
    table: Box<[u16]>,
    weighty: Box<[u16]>,
}

/// One target's order of preference over the entries, and how far it has come.
struct Wish {
    target: u16,
    next: usize,
    skip: usize,
    /// Turns per round, so that the heaviest has one in every round.
    share: f64,
    credit: f64,
}

impl Maglev {
    /// The usual number of entries.
    pub const SIZE: u32 = 65_537;

    /// A table of `size` entries, which must be a prime and larger than the number of targets. Targets beyond
    /// [`super::TARGETS_MAX`] get nothing.
    #[must_use]
    pub fn new(places: &[Place<'_>], size: u32) -> Self {
        let size = size as usize;
        let mut wishes = wishes(places, size);
        let mut table = vec![u16::MAX; size];
        let mut left = if wishes.is_empty() { 0 } else { size };
        while left > 0 {
            for wish in &mut wishes {
                wish.credit += wish.share;
                if wish.credit < 1.0 || left == 0 {
                    continue;
                }
                wish.credit -= 1.0;
                if take(&mut table, wish) {
                    left -= 1;
                }
            }
        }
        if wishes.is_empty() {
            table.clear();
        }
        Self { table: table.into(), weighty: weighty(places).map(|(target, _)| target).collect() }
    }

    /// The same table for other weights.
    #[must_use]
    pub fn reweighed(&self, places: &[Place<'_>]) -> Self {
        Self::new(places, u32::try_from(self.table.len()).unwrap_or(Self::SIZE))
    }

    /// The target of a hash; where it cannot be used, that of the next entry whose target can.
    #[must_use]
    pub fn pick(&self, hash: u64, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let start = scale(hash, self.table.len());
        let first = usize::from(*self.table.get(start)?);
        if usable(first) {
            return Some(first);
        }
        next_usable(self.table.iter().copied(), start, &self.weighty, usable)
    }

    /// The targets of all entries, for measuring how even they are.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = usize> {
        self.table.iter().map(|target| usize::from(*target))
    }
}

fn wishes(places: &[Place<'_>], size: usize) -> Vec<Wish> {
    let heaviest = places.iter().map(|place| place.weight).max().unwrap_or(0);
    let mut wishes: Vec<(&str, Wish)> = weighty(places)
        .map(|(target, place)| {
            let next = scale(seeded(0, place.name), size);
            let skip = scale(seeded(1, place.name), size.saturating_sub(1)) + 1;
            let share = f64::from(place.weight) / f64::from(heaviest);
            (place.name, Wish { target, next, skip, share, credit: 0.0 })
        })
        .collect();
    // The order of turns must not depend on the order written.
    wishes.sort_by_key(|(name, _)| *name);
    wishes.into_iter().map(|(_, wish)| wish).collect()
}

/// Gives the target the first entry it wishes that is still free.
fn take(table: &mut [u16], wish: &mut Wish) -> bool {
    for _ in 0..table.len() {
        let at = wish.next;
        wish.next = (wish.next + wish.skip) % table.len();
        if let Some(entry) = table.get_mut(at).filter(|entry| **entry == u16::MAX) {
            *entry = wish.target;
            return true;
        }
    }
    false
}
