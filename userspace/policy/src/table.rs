//! A bounded table of counters that all workers share without locks.
//!
//! A key is a 64-bit fingerprint under a secret seed. It stands beside its counter in one of the four ways of a
//! bucket, which is one cache line, or where that is full in the bucket beside it. A place whose counter says nothing
//! any more is taken over at once. If all of them still count, the one that has counted least gives way, so that
//! whoever floods the table with new keys loses those before anybody who is near a limit.
use std::sync::atomic::{AtomicU64, Ordering};
use zerocopy::FromZeros;

const WAYS: usize = 4;
/// How often a claim is tried again when other threads take the place first.
const TRIES: usize = 8;

#[derive(Debug, FromZeros)]
#[repr(C, align(64))]
struct Bucket {
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

    /// The counter of a key, which must not be 0. Nothing only if others claim every place at this very moment.
    pub(crate) fn counter(&self, key: u64, counter: &impl Counter) -> Option<&AtomicU64> {
        let homes = self.homes(key)?;
        homes.find(key).or_else(|| homes.settle(key, counter, &self.evicted))
    }

    /// The counter of a key, if it has one.
    pub(crate) fn find(&self, key: u64) -> Option<&AtomicU64> {
        self.homes(key)?.find(key)
    }

    /// Where a key may stand. Its upper bits decide (Lemire, arXiv 1805.10941).
    fn homes(&self, key: u64) -> Option<Homes<'_>> {
        let index = usize::try_from((u128::from(key) * self.buckets.len() as u128) >> 64).ok()?;
        Some(Homes { first: self.buckets.get(index)?, second: self.buckets.get(index ^ 1)? })
    }
}

/// The two buckets of a key, in the order that decides between two places of one key.
#[derive(Clone, Copy)]
struct Homes<'t> {
    first: &'t Bucket,
    second: &'t Bucket,
}

impl<'t> Homes<'t> {
    fn ways(self) -> impl Iterator<Item = &'t Way> {
        self.first.ways.iter().chain(&self.second.ways)
    }

    fn find(self, key: u64) -> Option<&'t AtomicU64> {
        let near = self.first.ways.iter().find(|way| way.key.load(Ordering::Acquire) == key);
        let way = near.or_else(|| self.second.ways.iter().find(|way| way.key.load(Ordering::Acquire) == key));
        way.map(|way| &way.counter)
    }

    #[cold]
    fn settle(self, key: u64, counter: &impl Counter, evicted: &AtomicU64) -> Option<&'t AtomicU64> {
        (0..TRIES).find_map(|_| self.claim(key, counter, evicted).or_else(|| self.find(key)))
    }

    /// Takes a free or idle place, or that of the key that has counted least.
    fn claim(self, key: u64, counter: &impl Counter, evicted: &AtomicU64) -> Option<&'t AtomicU64> {
        let weigh = |way: &'t Way| {
            let old = way.key.load(Ordering::Acquire);
            let weight = if old == 0 { 0 } else { counter.weight(way.counter.load(Ordering::Relaxed)) };
            (weight, old, way)
        };
        let (weight, old, place) = self.ways().map(weigh).min_by_key(|(weight, ..)| *weight)?;
        place.key.compare_exchange(old, key, Ordering::SeqCst, Ordering::SeqCst).ok()?;
        if weight > 0 {
            place.counter.store(0, Ordering::Relaxed);
            evicted.fetch_add(1, Ordering::Relaxed);
        }
        // Two threads that meet a new key at once may have chosen different places: the first place stays.
        let first = self.ways().find(|way| way.key.load(Ordering::SeqCst) == key)?;
        if !std::ptr::eq(first, place) {
            let _taken_by_another = place.key.compare_exchange(key, 0, Ordering::SeqCst, Ordering::SeqCst);
        }
        Some(&first.counter)
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
        let count = |n: u64| table.counter(key(n), &Forever).unwrap().fetch_add(1, Ordering::Relaxed);
        (0..100_000).for_each(|n| assert_eq!(count(n), 0));
        assert!(table.evicted() < 1_200, "{} of 100,000", table.evicted());
        let kept = (0..100_000).filter(|n| table.find(key(*n)).is_some()).count() as u64;
        assert_eq!(kept + table.evicted(), 100_000);
    }

    #[test]
    fn a_bucket_is_one_cache_line() {
        assert_eq!((size_of::<Bucket>(), align_of::<Bucket>()), (64, 64));
    }
}
