//! Counts and latencies of one window, kept by one thread and added up at its end.

use super::Fault;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The longest latency told apart.
const LATENCY_MAX_NS: u64 = 120_000_000_000;
/// Slices of a window, for what is drawn over time.
pub(crate) const SLICES: usize = 10;

/// When a window begins to count and when it ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) begin: Instant,
    pub(crate) length: Duration,
}

impl Window {
    pub(crate) fn end(&self) -> Instant {
        self.begin + self.length
    }

    /// The slice an instant lies in; `None` outside of the window.
    pub(crate) fn slice(&self, at: Instant) -> Option<usize> {
        let into = at.checked_duration_since(self.begin)?;
        let slice = into.as_nanos() * SLICES as u128 / self.length.as_nanos().max(1);
        usize::try_from(slice).ok().filter(|slice| *slice < SLICES)
    }
}

/// What one window, or several added up, came to.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Nanoseconds from the intended beginning to the last byte, of right answers.
    pub(crate) latency: Histogram<u64>,
    /// Nanoseconds between the time intended for a request and the time it was sent, waiting for a free connection included.
    pub(crate) lag: Histogram<u64>,
    /// Nanoseconds between the time intended for a request and the time the generator came to it: its own delay.
    pub(crate) late: Histogram<u64>,
    /// Latencies by slices of the window.
    pub(crate) slices: Vec<Histogram<u64>>,
    pub(crate) faults: BTreeMap<Fault, u64>,
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// Requests that were due within the window.
    pub(crate) offered: u64,
    pub(crate) received_bytes: u64,
    pub(crate) opened: u64,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            latency: histogram(3),
            lag: histogram(2),
            late: histogram(2),
            slices: vec![histogram(2); SLICES],
            faults: BTreeMap::new(),
            statuses: BTreeMap::new(),
            offered: 0,
            received_bytes: 0,
            opened: 0,
        }
    }

    /// A right answer, in one of the slices.
    pub(crate) fn answer(&mut self, slice: Option<usize>, latency: Duration) {
        let nanoseconds = nanoseconds(latency);
        self.latency.saturating_record(nanoseconds);
        if let Some(slice) = slice.and_then(|slice| self.slices.get_mut(slice)) {
            slice.saturating_record(nanoseconds);
        }
    }

    /// A request that was due at `due` and left at `sent`.
    pub(crate) fn sent(&mut self, due: Instant, sent: Instant) {
        self.lag.saturating_record(nanoseconds(sent.saturating_duration_since(due)));
    }

    /// The generator came to a request so late.
    pub(crate) fn came_late(&mut self, late: Duration) {
        self.late.saturating_record(nanoseconds(late));
    }

    pub(crate) fn fault(&mut self, fault: Fault, count: u64) {
        if count > 0 {
            *self.faults.entry(fault).or_default() += count;
        }
    }

    /// Right answers.
    pub(crate) fn answers(&self) -> u64 {
        self.latency.len()
    }

    /// Wrong or missing answers.
    pub(crate) fn errors(&self) -> u64 {
        self.faults.values().sum()
    }

    /// Adds another thread's part of the same window.
    pub(crate) fn join(&mut self, other: &Self) {
        self.add(other);
        for (own, other) in self.slices.iter_mut().zip(&other.slices) {
            own.add(other).ok();
        }
    }

    /// Adds a later window.
    pub(crate) fn follow(&mut self, other: Self) {
        self.add(&other);
        self.slices.extend(other.slices);
    }

    fn add(&mut self, other: &Self) {
        // Histograms of the same bounds always add up.
        self.latency.add(&other.latency).ok();
        self.lag.add(&other.lag).ok();
        self.late.add(&other.late).ok();
        for (fault, count) in &other.faults {
            *self.faults.entry(*fault).or_default() += count;
        }
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        self.offered += other.offered;
        self.received_bytes += other.received_bytes;
        self.opened += other.opened;
    }

    /// A quantile of the latencies in microseconds; `NaN` where nobody was answered.
    pub(crate) fn quantile_us(&self, quantile: f64) -> f64 {
        if self.latency.is_empty() {
            return f64::NAN;
        }
        self.latency.value_at_quantile(quantile) as f64 / 1000.0
    }
}

fn histogram(digits: u8) -> Histogram<u64> {
    let bounded = Histogram::new_with_bounds(1, LATENCY_MAX_NS, digits);
    bounded.unwrap_or_else(|_| unreachable!("the bounds are constant and right"))
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
