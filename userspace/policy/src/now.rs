//! The moment at which something is judged. This room has no clock: whoever calls it says what time it is.

/// One moment on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since 1970, for what others have dated: tokens, calendar windows.
    pub wall_ms: u64,
    /// Nanoseconds of a clock that never goes back, for rates and decay.
    pub mono_ns: u64,
}

impl Now {
    /// Whole seconds since 1970.
    pub fn wall_s(self) -> u64 {
        self.wall_ms / 1_000
    }
}
