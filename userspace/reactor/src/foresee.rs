//! Memory that will be changed soon is asked for now, and comes while something else is done.

/// Asks for the cache line in which a value begins. A hint: nothing is read, and nothing waits.
#[inline]
pub fn foresee<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
        // SAFETY: the instruction reads nothing that the program sees and never faults; it belongs to every x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_ET0>(std::ptr::from_ref(value).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _no_hint = value;
}
