//! A bounded table of counters that all workers share without locks.
//!
//! A key is a 64-bit fingerprint under a secret seed. It stands beside its counter in one of the four ways of a
//! bucket, which is one cache line, or where that is full in the bucket beside it. A place whose counter says nothing
//! any more is taken over at once. If all of them still count, the one that has counted least gives way, so that
//! whoever floods the table with new keys loses those before anybody who is near a limit.
use std::sync::atomic::{AtomicU64, Ordering};
use zerocopy::FromZeros;

const WAYS: usize = 4;
/// How often a place is looked for again when other threads take it first.
const TRIES: usize = 8;
/// What the counter of a place says while it changes its key. No counter counts as far.
const CLAIMED: u64 = u64::MAX;

/// A few places of a table: one cache line.
#[derive(Debug, FromZeros)]
#[repr(C, align(64))]
pub struct Bucket {
    ways: [Way; WAYS],
}

#[derive(Debug, FromZeros)]
#[repr(C)]
struct Way {
    key: AtomicU64,
    counter: AtomicU64,
}

/// Counters by key. A counter of 0 has counted nothing.
#[derive(Debug)]
pub(crate) struct Table {
    buckets: Box<[Bucket]>,
    evicted: AtomicU64,
}

/// What the table needs to know about a counter's content.
pub(crate) trait Counter {
    /// How much it still counts at this moment; 0 if it says nothing any more.
    fn weight(&self, value: u64) -> u64;
}

impl Table {
    /// A table for this many keys. Its memory is claimed from the system only where it is used.
    pub(crate) fn new(keys_max: usize) -> Table {
        // With twice the room, two buckets together are full for one key in a hundred.
        let buckets = keys_max.div_ceil(WAYS / 2).next_multiple_of(2).max(2);
        let buckets = <[Bucket]>::new_box_zeroed_with_elems(buckets).unwrap_or_default();
        Table { buckets, evicted: AtomicU64::new(0) }
    }

    /// How many keys were forgotten while they still counted.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// Changes the counter of a key, which must not be 0, unless `next` has nothing to put in place of what it says. What it
    /// says then; nothing only if others claim every place at this very moment.
    pub(crate) fn change(
        &self,
        key: u64,
        counter: &impl Counter,
        mut next: impl FnMut(u64) -> Option<u64>,
    ) -> Option<Result<u64, u64>> {
        let homes = self.homes(key)?;
        (0..TRIES).find_map(|_| {
            let way = homes.find(key).or_else(|| homes.claim(key, counter, &self.evicted))?;
            way.change(key, &mut next)
        })
    }

    /// The counter of a key, if it has one.
    pub(crate) fn find(&self, key: u64) -> Option<&AtomicU64> {
        Some(&self.homes(key)?.find(key)?.counter)
    }

    /// The first of the two buckets of a key, which is the right one for nearly all.
    pub(crate) fn bucket(&self, key: u64) -> Option<&Bucket> {
        Some(self.homes(key)?.first)
    }

    /// Where a key may stand. Its upper bits decide (Lemire, arXiv 1805.10941).
    fn homes(&self, key: u64) -> Option<Homes<'_>> {
        let index = usize::try_from((u128::from(key) * self.buckets.len() as u128) >> 64).ok()?;
        Some(Homes { first: self.buckets.get(index)?, second: self.buckets.get(index ^ 1)? })
    }
}

impl Way {
    /// Whether this is the key's place, and nobody is about to take it over.
    fn is_of(&self, key: u64) -> bool {
        self.key.load(Ordering::Acquire) == key && self.counter.load(Ordering::Acquire) != CLAIMED
    }

    /// Changes the counter; nothing if it is not the key's any more.
    fn change(&self, key: u64, next: &mut impl FnMut(u64) -> Option<u64>) -> Option<Result<u64, u64>> {
        let mut state = self.counter.load(Ordering::Acquire);
        let changed = loop {
            if state == CLAIMED {
                return None;
            }
            let Some(changed) = next(state) else { break None };
            match self.counter.compare_exchange_weak(state, changed, Ordering::SeqCst, Ordering::Acquire) {
                Ok(_) => break Some(changed),
                Err(other) => state = other,
            }
        };
        if self.key.load(Ordering::SeqCst) == key {
            return Some(changed.ok_or(state));
        }
        // Unless its owner has counted on.
        let changed = changed.unwrap_or(state);
        let _taken_back = self.counter.compare_exchange(changed, state, Ordering::SeqCst, Ordering::Relaxed);
        None
    }

    /// Claims the place if its counter still says this and its key is still that one.
    fn claim(&self, key: u64, value: u64) -> bool {
        let claimed =
            self.counter.compare_exchange(value, CLAIMED, Ordering::SeqCst, Ordering::Relaxed).is_ok();
        let holds = claimed && self.key.load(Ordering::SeqCst) == key;
        if claimed && !holds {
            self.counter.store(value, Ordering::SeqCst);
        }
        holds
    }

    /// Gives a claimed place to a key, or to none.
    fn give(&self, key: u64) {
        self.key.store(key, Ordering::SeqCst);
        self.counter.store(0, Ordering::SeqCst);
    }

    /// Lets go of a place in which the key has not been counted yet; whether that is so.
    fn leave(&self, key: u64) -> bool {
        let left = self.claim(key, 0);
        if left {
            self.give(0);
        }
        left
    }
}

/// The two buckets of a key.
#[derive(Clone, Copy)]
struct Homes<'t> {
    first: &'t Bucket,
    second: &'t Bucket,
}

impl<'t> Homes<'t> {
    fn ways(self) -> impl Iterator<Item = &'t Way> {
        self.first.ways.iter().chain(&self.second.ways)
    }

    fn find(self, key: u64) -> Option<&'t Way> {
        let near = self.first.ways.iter().find(|way| way.is_of(key));
        near.or_else(|| self.second.ways.iter().find(|way| way.is_of(key)))
    }

    /// Takes a free or idle place, or that of the key that has counted least. Whoever counts there meanwhile keeps it.
    #[cold]
    fn claim(self, key: u64, counter: &impl Counter, evicted: &AtomicU64) -> Option<&'t Way> {
        let weigh = |way: &'t Way| {
            let (old, value) = (way.key.load(Ordering::Acquire), way.counter.load(Ordering::Acquire));
            (if old == 0 { 0 } else { counter.weight(value) }, old, value, way)
        };
        let places = self.ways().map(weigh).filter(|(_, _, value, _)| *value != CLAIMED);
        let (weight, old, value, place) = places.min_by_key(|(weight, ..)| *weight)?;
        if !place.claim(old, value) {
            return None;
        }
        place.give(key);
        evicted.fetch_add(u64::from(weight > 0), Ordering::Relaxed);
        // Two threads that meet a new key at once may have chosen different places: where it has been counted it stays.
        for other in self.ways().filter(|way| !std::ptr::eq(*way, place) && way.is_of(key)) {
            if !other.leave(key) && place.leave(key) {
                return Some(other);
            }
        }
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that has counted still does.
    struct Forever;

    impl Counter for Forever {
        fn weight(&self, value: u64) -> u64 {
            value
        }
    }

    #[test]
    fn a_full_table_keeps_nearly_all_of_its_keys() {
        let table = Table::new(100_000);
        let key = |n: u64| (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let count = |n: u64| table.change(key(n), &Forever, |count| Some(count + 1));
        (0..100_000).for_each(|n| assert_eq!(count(n), Some(Ok(1))));
        assert!(table.evicted() < 1_200, "{} of 100,000", table.evicted());
        let kept = (0..100_000).filter(|n| table.find(key(*n)).is_some()).count() as u64;
        assert_eq!(kept + table.evicted(), 100_000);
    }

    /// Two keys of one bucket, and how often each has been counted.
    fn two() -> Table {
        let table = Table::new(2);
        for (key, count) in [(1, 1), (2, 2)] {
            assert_eq!(table.change(key, &Forever, |_| Some(count)), Some(Ok(count)));
        }
        table
    }

    fn place(table: &Table, key: u64) -> &Way {
        table.homes(key).unwrap().find(key).unwrap()
    }

    #[test]
    fn whoever_comes_late_to_a_new_key_counts_where_it_is_counted() {
        let table = two();
        assert!(place(&table, 1).claim(1, 1));
        assert!(table.find(1).is_none(), "a place that is claimed is nobody's");
        table.homes(1).unwrap().ways().next().unwrap().give(0);
        // This thread has looked for the key before it came, and found a place that is free since.
        let way = table.homes(2).unwrap().claim(2, &Forever, &table.evicted).unwrap();
        assert!(std::ptr::eq(way, place(&table, 2)) && way.counter.load(Ordering::Relaxed) == 2);
        assert_eq!(
            table.change(1, &Forever, |count| Some(count + 1)),
            Some(Ok(1)),
            "the place is free again"
        );
    }

    #[test]
    fn who_has_counted_meanwhile_keeps_its_place() {
        let table = two();
        let place = place(&table, 1);
        assert!(!place.claim(1, 0), "it has counted more than was seen");
        assert!(!place.claim(3, 1) && place.is_of(1), "it is another's");
        assert!(place.claim(1, 1));
        assert_eq!(place.change(1, &mut |count| Some(count + 1)), None, "it is about to be another's");
        place.give(3);
        assert_eq!(place.change(1, &mut |count| Some(count + 1)), None, "it is another's");
        assert_eq!(place.counter.load(Ordering::Relaxed), 0, "to which nothing is counted");
    }

    #[test]
    fn a_bucket_is_one_cache_line() {
        assert_eq!((size_of::<Bucket>(), align_of::<Bucket>()), (64, 64));
    }
}
