//! The two clocks of this room: the one the kernel measures bans by, and the one people read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

/// Nanoseconds of CLOCK_MONOTONIC, as `bpf_ktime_get_ns` counts them; they stand still while the machine sleeps.
pub(crate) fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// A wall clock that nobody sets: what it said when it was made, carried on by the monotonic one. Whoever keeps times by
/// it moves them when [`Steady::set`] says that the true one was set meanwhile, so that no span of time changes.
#[derive(Debug)]
pub(crate) struct Steady {
    /// How far the wall's clock is ahead of the monotonic one.
    ahead_s: i64,
}

/// What lies between the two clocks because both are cut to seconds is no jump.
const JUMP_S: u64 = 2;

impl Steady {
    pub(crate) fn new() -> Self {
        Self { ahead_s: ahead_s() }
    }

    /// Seconds since 1970.
    pub(crate) fn now_s(&self) -> u64 {
        (monotonic_ns() / 1_000_000_000).saturating_add_signed(self.ahead_s)
    }

    /// How far the wall's clock was set since this was last asked, forwards or back; from now on this one agrees with it.
    pub(crate) fn set(&mut self) -> Option<i64> {
        self.move_to(ahead_s())
    }

    fn move_to(&mut self, ahead_s: i64) -> Option<i64> {
        let by_s = ahead_s.saturating_sub(self.ahead_s);
        let has_jumped = by_s.unsigned_abs() >= JUMP_S;
        if has_jumped {
            self.ahead_s = ahead_s;
        }
        has_jumped.then_some(by_s)
    }
}

fn ahead_s() -> i64 {
    let seconds = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
    seconds(wall_s()).saturating_sub(seconds(monotonic_ns() / 1_000_000_000))
}

/// Seconds since 1970.
fn wall_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_is_noticed_once() {
        let mut clock = Steady::new();
        assert!(clock.now_s().abs_diff(wall_s()) <= 1);
        assert_eq!(clock.set(), None, "nobody has set it");
        let ahead_s = clock.ahead_s;
        assert_eq!(clock.move_to(ahead_s + 3600), Some(3600));
        assert_eq!(clock.move_to(ahead_s + 3601), None, "a second may come from cutting");
        assert_eq!(clock.move_to(ahead_s - 3600), Some(-7200));
        assert!(clock.now_s().abs_diff(wall_s() - 3600) <= 1);
    }
}
