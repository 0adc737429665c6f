//! A bounded table of counters that all workers share without locks.
//!
//! A key is a 64-bit fingerprint under a secret seed; it may stand in any of the four ways of one cache line's
//! worth of keys, with its counter in the line beside. A place whose counter says nothing any more is taken over
//! at once. If all four still count, the one that has counted least gives way, so that whoever floods the table
//! with new keys loses those before anybody who is near a limit.
use std::sync::atomic::{AtomicU64, Ordering};
use zerocopy::FromZeros;

const WAYS: usize = 4;
/// How often a claim is tried again when other threads take the place first.
const TRIES: usize = 8;

#[derive(Debug, FromZeros)]
#[repr(C, align(64))]
struct Bucket {
    keys: [AtomicU64; WAYS],
    counters: [AtomicU64; WAYS],
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
        // Room for a half more keeps four ways enough for nearly all keys.
        let buckets = (keys_max + keys_max / 2).div_ceil(WAYS).next_power_of_two();
        let buckets = <[Bucket]>::new_box_zeroed_with_elems(buckets).unwrap_or_default();
        Table { buckets, evicted: AtomicU64::new(0) }
    }

    /// How many keys were forgotten while they still counted.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// The counter of a key, which must not be 0. Nothing only if others claim every place at this very moment.
    pub(crate) fn counter(&self, key: u64, counter: &impl Counter) -> Option<&AtomicU64> {
        let index = usize::try_from(key >> 8).unwrap_or_default() & self.buckets.len().saturating_sub(1);
        let bucket = self.buckets.get(index)?;
        (0..TRIES).find_map(|_| bucket.find(key).or_else(|| bucket.claim(key, counter, &self.evicted)))
    }

    /// The counter of a key, if it has one.
    pub(crate) fn find(&self, key: u64) -> Option<&AtomicU64> {
        let index = usize::try_from(key >> 8).unwrap_or_default() & self.buckets.len().saturating_sub(1);
        self.buckets.get(index)?.find(key)
    }
}

impl Bucket {
    fn find(&self, key: u64) -> Option<&AtomicU64> {
        let mut ways = self.keys.iter().zip(&self.counters);
        ways.find(|(own, _)| own.load(Ordering::Acquire) == key).map(|(_, counter)| counter)
    }

    /// Takes a free or idle place, or that of the key that has counted least.
    fn claim(&self, key: u64, counter: &impl Counter, evicted: &AtomicU64) -> Option<&AtomicU64> {
        let weigh = |way: &(&AtomicU64, &AtomicU64)| {
            let old = way.0.load(Ordering::Acquire);
            let weight = if old == 0 { 0 } else { 1 + counter.weight(way.1.load(Ordering::Relaxed)) };
            (weight, old)
        };
        let ways = self.keys.iter().zip(&self.counters);
        let ((weight, old), place, value) =
            ways.map(|way| (weigh(&way), way.0, way.1)).min_by_key(|((weight, _), ..)| *weight)?;
        place.compare_exchange(old, key, Ordering::SeqCst, Ordering::SeqCst).ok()?;
        if weight > 1 {
            value.store(0, Ordering::Relaxed);
            evicted.fetch_add(1, Ordering::Relaxed);
        }
        // Two threads that meet a new key at once may have chosen different places: the first place stays.
        let first =
            self.keys.iter().zip(&self.counters).find(|(own, _)| own.load(Ordering::SeqCst) == key)?;
        if !std::ptr::eq(first.0, place) {
            let _taken_by_another = place.compare_exchange(key, 0, Ordering::SeqCst, Ordering::SeqCst);
        }
        Some(first.1)
    }
}
