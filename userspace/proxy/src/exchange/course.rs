//! The attempts for one request: which targets were asked, how often, and what came of the last.
use crate::{fault::Fault, target};
use std::time::Duration;
use weir_plan::limit::Retry;

/// How far the attempts for one request have come.
pub(super) struct Course<'p> {
    pub(super) draw: u64,
    pub(super) random: u64,
    pub(super) sticky: Option<target::Sticky<'p>>,
    pub(super) retry: &'p Retry,
    pub(super) tried: target::Tried,
    pub(super) retries: u32,
    pub(super) fresh_only: bool,
    /// A target has refused the request unprocessed.
    pub(super) refused: bool,
    pub(super) last: Fault,
}

impl Course<'_> {
    /// The wait before the next attempt: it doubles, with full jitter, so that clients do not come back in step.
    pub(super) fn wait(&self) -> Duration {
        let doubled = self.retry.backoff.saturating_mul(1 << self.retries.saturating_sub(1).min(16));
        let part = u32::try_from(self.random.rotate_left(self.retries * 16) & 0xffff).unwrap_or(0);
        doubled.min(self.retry.backoff_max).mul_f64(f64::from(part) / 65_536.0)
    }
}
