//! Numbers that tell compiled things of this process apart, across all configurations it has had.
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that was not given before; never 0.
pub(crate) fn fresh_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
