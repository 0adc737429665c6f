//! Consistent hashing, the one implementation: what is hashed, and how a hash finds its target.
//!
//! Every table here is a pure function of the targets' names, weights and the table's size, so that every host with the
//! same configuration sends the same key to the same target. Targets are numbered by their place in the list given.

mod bound;
mod cycle;
mod maglev;
mod ring;
mod two;

use std::hash::{BuildHasherDefault, Hasher};

use twox_hash::XxHash3_64;

pub use bound::Bound;
pub use cycle::Cycle;
pub use maglev::Maglev;
pub use ring::Ring;
pub use two::Two;

/// The hash of a key: XXH3 with 64 bits and no seed, the same on every host.
#[must_use]
pub fn digest(key: &[u8]) -> u64 {
    XxHash3_64::oneshot(key)
}

/// The hash of a target's name for one of the uses a table makes of it.
fn seeded(seed: u64, name: &str) -> u64 {
    XxHash3_64::oneshot_with_seed(seed, name.as_bytes())
}

/// One place of `0..len` for a hash, all alike: multiplies instead of dividing (Lemire, arXiv 1805.10941).
fn scale(hash: u64, len: usize) -> usize {
    let wide = (u128::from(hash) * len as u128) >> 64;
    usize::try_from(wide).unwrap_or(0)
}

/// Something to place: its name and its weight. A weight of 0 gets nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// What tells it from the others; the same target has the same name on every host.
    pub name: &'a str,
    /// Its share in proportion to the other weights.
    pub weight: u32,
}

/// A table places this many targets at most.
pub const TARGETS_MAX: usize = u16::MAX as usize;

/// The targets that have a weight, by their numbers.
fn weighty<'a>(places: &'a [Place<'a>]) -> impl Iterator<Item = (u16, &'a Place<'a>)> {
    (0..u16::MAX).zip(places).filter(|(_, place)| place.weight > 0)
}

/// How many entries behind that of a hash are looked at, before the targets themselves are asked one by one.
const WALK_MAX: usize = 256;

/// The first usable target in the entries behind `start`, which itself was not. Where none is near, because few are left,
/// all targets are asked, beginning at one that the hash decides.
#[cold]
fn next_usable<E>(entries: E, start: usize, weighty: &[u16], usable: impl Fn(usize) -> bool) -> Option<usize>
where
    E: ExactSizeIterator<Item = u16> + Clone,
{
    let near = WALK_MAX.min(entries.len());
    let mut last = None;
    for target in entries.cycle().skip(start + 1).take(near) {
        if last != Some(target) && usable(usize::from(target)) {
            return Some(usize::from(target));
        }
        last = Some(target);
    }
    let around = weighty.iter().cycle().skip(start.checked_rem(weighty.len())?).take(weighty.len());
    around.map(|target| usize::from(*target)).find(|target| usable(*target))
}

/// A hasher for tables whose keys come from the configuration. Look-ups by strangers cannot make these tables grow, so
/// speed counts and a secret seed does not.
pub type Stable = BuildHasherDefault<StableHasher>;

/// The hasher of [`Stable`].
#[derive(Clone, Copy, Debug, Default)]
pub struct StableHasher(u64);

impl Hasher for StableHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = XxHash3_64::oneshot_with_seed(self.0, bytes);
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(u64::from(byte));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        // A multiplication spreads the number over the upper half, the rotation brings it to the lower one.
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests;
