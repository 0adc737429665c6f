//! A ban, as the kernel reads it.
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bits before the table of bans, small enough to stay in the nearest cache: a clear one says that no key that hashes to
/// it is banned. User space sets a bit before it inserts a ban, and writes the whole filter anew to clear some.
pub type Filter = [u64; FILTER_WORDS];

/// Words of the filter.
pub const FILTER_WORDS: usize = 1 << 10;

/// The word and the bit that stand for a key.
#[must_use]
#[inline(always)]
pub const fn filter_place(key: u64) -> (usize, u64) {
    let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
    ((hash >> 6 & 0x3ff) as usize, 1 << (hash & 63))
}

/// The value behind a source's key in the table of bans. User space writes it; the kernel only adds to `hits`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Ban {
    /// When the ban ends, in nanoseconds of the monotonic clock.
    pub until_ns: u64,
    /// Packets refused so far.
    pub hits: u64,
}

impl Ban {
    /// Whether the ban still holds.
    #[must_use]
    #[inline(always)]
    pub const fn holds(&self, now_ns: u64) -> bool {
        now_ns < self.until_ns
    }
}
