//! A limit that all workers share, exact, without a shared cache line for each request.
//!
//! Each worker draws permits in batches and hands them out by itself. The limit is never exceeded; up to an eighth of
//! it may lie unused in the purses of other workers.
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The largest batch that a worker draws at once.
const BATCH_MAX: u32 = 64;

/// What is left of a limit.
#[derive(Debug)]
pub(crate) struct Permits {
    max: u32,
    left: AtomicU32,
}

impl Permits {
    pub(crate) fn new(max: u32) -> Permits {
        Permits { max, left: AtomicU32::new(max) }
    }

    /// Takes up to `wanted`.
    fn draw(&self, wanted: u32) -> u32 {
        let taken = self.left.fetch_update(Relaxed, Relaxed, |left| Some(left.saturating_sub(wanted)));
        taken.map_or(0, |left| left.min(wanted))
    }

    /// How many are out.
    pub(crate) fn out(&self) -> u32 {
        self.max - self.left.load(Relaxed)
    }

    fn put(&self, count: u32) {
        self.left.fetch_add(count, Relaxed);
    }
}

/// One worker's part of a limit.
#[derive(Debug)]
pub(crate) struct Purse {
    permits: Arc<Permits>,
    batch: u32,
    /// Permits that this worker has, in use or not.
    held: Cell<u32>,
    used: Cell<u32>,
}

/// A permit in use; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Permit(Rc<Purse>);

impl Purse {
    pub(crate) fn new(permits: Arc<Permits>, workers: u32) -> Rc<Purse> {
        let batch = (permits.max / workers.saturating_mul(16).max(1)).clamp(1, BATCH_MAX);
        Rc::new(Purse { permits, batch, held: Cell::new(0), used: Cell::new(0) })
    }

    /// A permit, or none if the limit is reached.
    pub(crate) fn take(self: &Rc<Self>) -> Option<Permit> {
        if self.used.get() == self.held.get() {
            self.held.set(self.held.get() + self.permits.draw(self.batch));
        }
        let more = self.used.get() + 1;
        (more <= self.held.get()).then(|| {
            self.used.set(more);
            Permit(Rc::clone(self))
        })
    }

    /// What this worker uses.
    pub(crate) fn used(&self) -> u32 {
        self.used.get()
    }

    fn put(&self) {
        self.used.set(self.used.get() - 1);
        let spare = self.held.get() - self.used.get();
        let kept = if self.batch > 1 { 2 * self.batch } else { 0 };
        if spare > kept {
            let back = self.batch.min(spare);
            self.held.set(self.held.get() - back);
            self.permits.put(back);
        }
    }
}

impl Drop for Purse {
    fn drop(&mut self) {
        self.permits.put(self.held.get());
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.put();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_reached_and_never_passed() {
        for (max, workers) in [(0, 2), (1, 2), (2, 1), (100, 2), (16_384, 4)] {
            let permits = Arc::new(Permits::new(max));
            let purses: Vec<_> = (0..workers).map(|_| Purse::new(Arc::clone(&permits), workers)).collect();
            let mut taken: Vec<Permit> = Vec::new();
            while let Some(permit) = purses.iter().find_map(Purse::take) {
                taken.push(permit);
                assert!(taken.len() <= max as usize);
            }
            assert_eq!(taken.len(), max as usize, "{max} over {workers}");
            drop(taken);
            drop(purses);
            assert_eq!(permits.left.load(Relaxed), max, "all come back");
        }
    }

    #[test]
    fn what_others_keep_unused_is_bounded() {
        let permits = Arc::new(Permits::new(1_024));
        let (busy, idle) = (Purse::new(Arc::clone(&permits), 2), Purse::new(Arc::clone(&permits), 2));
        let many: Vec<_> = std::iter::from_fn(|| idle.take()).collect();
        assert_eq!(many.len(), 1_024);
        drop(many);
        let left = std::iter::from_fn(|| busy.take()).collect::<Vec<_>>().len();
        assert!(left >= 1_024 - 128, "{left}");
        let one = Arc::new(Permits::new(1));
        let (a, b) = (Purse::new(Arc::clone(&one), 2), Purse::new(one, 2));
        drop(a.take().unwrap());
        assert!(b.take().is_some(), "the only permit is not kept by who had it");
    }
}
