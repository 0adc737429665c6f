//! The attempts for one request: which targets were asked, how often, and what came of the last.
use crate::{
    digits::write_number,
    fault::Fault,
    target,
    upstream::{Permit, Purse},
};
use std::rc::Rc;
use std::time::Duration;
use weir_message::{FieldName, Head};
use weir_plan::limit::Retry;

/// How far the attempts for one request have come.
pub(super) struct Course<'p> {
    pub(super) draw: u64,
    pub(super) random: u64,
    pub(super) sticky: Option<target::Sticky<'p>>,
    pub(super) retry: &'p Retry,
    pub(super) tried: target::Tried,
    pub(super) retries: u32,
    /// The place that its retries take in the breaker.
    pub(super) retrying: Option<Permit>,
    pub(super) fresh_only: bool,
    /// A target has refused the request unprocessed.
    pub(super) refused: bool,
    pub(super) last: Fault,
}

/// B46: how often the request was sent to targets, this time included.
static ATTEMPT_COUNT: FieldName = FieldName::other("X-Weir-Attempt-Count");

impl Course<'_> {
    /// Whether the breaker has room for a further attempt.
    pub(super) fn finds_room(&mut self, retries: &Rc<Purse>) -> bool {
        self.retrying = self.retrying.take().or_else(|| retries.take());
        self.retrying.is_some()
    }

    /// Tells the target which attempt it is, if that is wished.
    pub(super) fn tell(&self, head: &mut Head) {
        if self.retry.tells_attempt {
            let mut number = Vec::new();
            write_number(u64::from(self.retries) + 1, &mut number);
            let _always_writable = head.set_named(&ATTEMPT_COUNT, &[&number]);
        }
    }

    /// The wait before the next attempt: it doubles, with full jitter, so that clients do not come back in step.
    pub(super) fn wait(&self) -> Duration {
        let doubled = self.retry.backoff.saturating_mul(1 << self.retries.saturating_sub(1).min(16));
        let part = u32::try_from(self.random.rotate_left(self.retries * 16) & 0xffff).unwrap_or(0);
        doubled.min(self.retry.backoff_max).mul_f64(f64::from(part) / 65_536.0)
    }
}
