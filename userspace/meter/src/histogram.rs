//! A latency histogram with fixed bounds that one thread writes and any thread reads.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Upper bounds of the buckets in nanoseconds; the last bucket has none.
pub(crate) const BOUNDS_NS: [u64; 17] = [
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];
/// The same in seconds and the last one, as they end the labels of a line.
pub(crate) const BOUNDS: [&str; BUCKETS] = [
    "0.00005\"} ",
    "0.0001\"} ",
    "0.00025\"} ",
    "0.0005\"} ",
    "0.001\"} ",
    "0.0025\"} ",
    "0.005\"} ",
    "0.01\"} ",
    "0.025\"} ",
    "0.05\"} ",
    "0.1\"} ",
    "0.25\"} ",
    "0.5\"} ",
    "1\"} ",
    "2.5\"} ",
    "5\"} ",
    "10\"} ",
    "+Inf\"} ",
];
const BUCKETS: usize = BOUNDS_NS.len() + 1;

/// Counts durations by bucket; sum in nanoseconds.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum_ns: AtomicU64,
}

impl Histogram {
    /// Counts one duration. Only the owning worker calls this.
    pub fn record(&self, ns: u64) {
        let at = BOUNDS_NS.iter().position(|bound| ns <= *bound).unwrap_or(BOUNDS_NS.len());
        if let Some(bucket) = self.buckets.get(at) {
            raise(bucket, 1);
        }
        raise(&self.sum_ns, ns);
    }

    /// How many durations were counted.
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }

    /// Adds this histogram to a running total.
    pub(crate) fn add_to(&self, total: &mut Total) {
        for (sum, bucket) in total.buckets.iter_mut().zip(&self.buckets) {
            *sum += bucket.load(Relaxed);
        }
        total.sum_ns += self.sum_ns.load(Relaxed);
    }
}

/// Several histograms added up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Total {
    pub(crate) buckets: [u64; BUCKETS],
    pub(crate) sum_ns: u64,
}

/// Adds to a counter that has one writer: a load and a store, no locked instruction.
pub(crate) fn raise(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(by), Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_told_as_they_are() {
        for (ns, told) in BOUNDS_NS.iter().zip(BOUNDS) {
            let seconds = std::time::Duration::from_nanos(*ns).as_secs_f64();
            assert_eq!(format!("{seconds}\"}} "), told);
        }
    }

    #[test]
    fn a_duration_lands_in_the_first_bucket_that_holds_it() {
        let check = |ns: u64, bucket: usize| {
            let histogram = Histogram::default();
            histogram.record(ns);
            let mut total = Total::default();
            histogram.add_to(&mut total);
            assert_eq!(total.buckets.iter().position(|n| *n == 1), Some(bucket), "{ns} ns");
            assert_eq!(total.sum_ns, ns);
        };
        check(0, 0);
        check(50_000, 0);
        check(50_001, 1);
        check(10_000_000_000, 16);
        check(10_000_000_001, 17);
        check(u64::MAX, 17);
    }
}
