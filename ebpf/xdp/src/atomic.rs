//! The words that several CPUs share.
use core::intrinsics::{AtomicOrdering, atomic_cxchg, atomic_xadd};

/// Reads a shared word once.
#[inline(always)]
pub fn load(word: *const u64) -> u64 {
    // SAFETY: callers pass words of table values, which stay mapped while the program runs; the verifier checks it.
    unsafe { word.read_volatile() }
}

/// Writes a shared word whose last writer may win.
#[inline(always)]
pub fn store(word: *mut u64, value: u64) {
    // SAFETY: as for `load`.
    unsafe { word.write_volatile(value) }
}

/// Replaces `old` by `new`; false if another CPU was faster.
#[inline(always)]
pub fn exchange(word: *mut u64, old: u64, new: u64) -> bool {
    // SAFETY: as for `load`.
    let (_, done) = unsafe {
        atomic_cxchg::<u64, { AtomicOrdering::SeqCst }, { AtomicOrdering::SeqCst }>(word, old, new)
    };
    done
}

/// Adds one.
#[inline(always)]
pub fn increment(word: *mut u64) {
    // SAFETY: as for `load`.
    let _before = unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(word, 1) };
}
