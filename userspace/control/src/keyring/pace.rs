//! How often keys are fetched: as their sender says within bounds, sooner ahead than late, and rarely where it fails.
use std::time::Duration;

/// How often keys are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Keys are used at least that long before they are fetched anew.
    pub fresh_min: Duration,
    /// And at most that long.
    pub fresh_max: Duration,
    /// How long they are good where their sender does not say.
    pub fresh_usual: Duration,
    /// After a failure, the first time; it doubles.
    pub retry_first: Duration,
    /// The longest wait after a failure.
    pub retry_max: Duration,
    /// Unknown keys in tokens cause a fetch no more often than that.
    pub asked_every: Duration,
    /// Keys that could not be fetched anew for so long are not believed any more. Tokens live for hours, so by then
    /// an issuer that cannot be reached has no users left who would notice.
    pub stale_max: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            fresh_min: Duration::from_secs(60),
            fresh_max: Duration::from_secs(24 * 3600),
            fresh_usual: Duration::from_secs(300),
            retry_first: Duration::from_secs(2),
            retry_max: Duration::from_secs(60),
            asked_every: Duration::from_secs(60),
            stale_max: Duration::from_secs(24 * 3600),
        }
    }
}

impl Pace {
    /// When to fetch again after keys that are good for so long: at four fifths of it, less a little that `dice`, a
    /// random number, decides, so that hosts started together do not ask together.
    pub(crate) fn after_success(&self, fresh: Option<Duration>, dice: u16) -> Duration {
        let fresh = fresh.unwrap_or(self.fresh_usual).clamp(self.fresh_min, self.fresh_max);
        let part = 0.8 - 0.1 * f64::from(dice) / f64::from(u16::MAX);
        fresh.mul_f64(part).max(self.fresh_min.mul_f64(0.7))
    }

    /// When to try again after so many failures in a row.
    pub(crate) fn after_failures(&self, failures: u32, dice: u16) -> Duration {
        let doubled = self.retry_first.saturating_mul(1 << failures.saturating_sub(1).min(16));
        let part = 1.0 - 0.25 * f64::from(dice) / f64::from(u16::MAX);
        doubled.min(self.retry_max).mul_f64(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b15_keys_are_fetched_ahead_and_within_bounds() {
        let pace = Pace::default();
        let check = |fresh: Option<u64>, low: u64, high: u64| {
            let after = |dice| pace.after_success(fresh.map(Duration::from_secs), dice).as_secs();
            assert_eq!((after(u16::MAX), after(0)), (low, high), "{fresh:?}");
        };
        check(None, 210, 240);
        check(Some(600), 420, 480);
        check(Some(0), 42, 48);
        check(Some(10_000_000), 60_480, 69_120);
    }

    #[test]
    fn f19_failures_slow_down_to_one_fetch_a_minute() {
        let pace = Pace::default();
        let waits: Vec<u64> = (1..9).map(|failures| pace.after_failures(failures, 0).as_secs()).collect();
        assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(pace.after_failures(u32::MAX, u16::MAX).as_secs(), 45);
    }
}
