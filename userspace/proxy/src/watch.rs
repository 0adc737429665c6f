//! Time limits of one connection, all on one timer.
//!
//! A limit that is met costs two comparisons: the timer stays set for the earliest moment anything ever asked for,
//! and only when it goes off is it set again for what is asked then. A connection that serves thousands of requests
//! a second touches the timer wheel once per limit's length.
use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use weir_reactor::{Sleep, now, sleep_until, unless};

/// The time is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Elapsed;

/// The timer of one connection.
pub(crate) struct Watch {
    timer: RefCell<Option<Sleep>>,
    set_for: Cell<Option<Instant>>,
    /// No limit reaches beyond this; for the total time of an exchange.
    bound: Cell<Option<Instant>>,
}

impl Watch {
    pub(crate) fn new() -> Watch {
        Watch { timer: RefCell::new(None), set_for: Cell::new(None), bound: Cell::new(None) }
    }

    /// Bounds everything from now on, until it is called again.
    pub(crate) fn bound(&self, total: Option<Duration>) {
        self.bound.set(total.map(|total| now() + total));
    }

    /// Whether the time for everything is up.
    pub(crate) fn is_over(&self) -> bool {
        self.bound.get().is_some_and(|bound| now() >= bound)
    }

    /// Runs a future for at most that long.
    pub(crate) fn limit<T>(
        &self,
        limit: Duration,
        future: impl Future<Output = T>,
    ) -> impl Future<Output = Result<T, Elapsed>> {
        let mut until = None;
        unless(move |cx| self.poll_limit(&mut until, limit, cx).map(|()| Elapsed), future)
    }

    /// Ready once that long has passed since the first poll, whose moment `until` keeps.
    pub(crate) fn poll_limit(
        &self,
        until: &mut Option<Instant>,
        limit: Duration,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let until = *until.get_or_insert_with(|| self.until(limit));
        self.poll_until(until, cx)
    }

    fn until(&self, limit: Duration) -> Instant {
        let until = now() + limit;
        self.bound.get().map_or(until, |bound| bound.min(until))
    }

    /// Ready when that moment has come.
    fn poll_until(&self, until: Instant, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if now() >= until {
                return Poll::Ready(());
            }
            let mut timer = self.timer.borrow_mut();
            if self.set_for.get().is_none_or(|set_for| set_for > until) {
                *timer = Some(sleep_until(until));
                self.set_for.set(Some(until));
            }
            let Some(sleep) = timer.as_mut() else { return Poll::Pending };
            match pin!(sleep).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) => {
                    *timer = None;
                    self.set_for.set(None);
                }
            }
        }
    }
}
