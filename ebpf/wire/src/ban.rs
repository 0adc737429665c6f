//! A ban, as the kernel reads it.
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

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
