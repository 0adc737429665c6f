//! Time as tasks see it: the clock of this turn, sleeping, and deadlines on futures.

use crate::counters::add;
use crate::here;
use crate::hub::Hub;
use crate::wheel::TimerKey;
use nix::time::{ClockId, clock_gettime};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// The time at which this turn of the loop began, read once per turn.
#[must_use]
pub fn now() -> Instant {
    here::with(|hub| hub.now.get())
}

/// The CPU time that the calling thread has used so far.
#[must_use]
pub fn cpu_time() -> Duration {
    // The clock of one's own thread is always there.
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// Sleeps until `at`, to the millisecond and never less.
pub fn sleep_until(at: Instant) -> Sleep {
    Sleep { hub: here::hub(), at, timer: None }
}

/// Sleeps for a while from the beginning of this turn.
pub fn sleep(duration: Duration) -> Sleep {
    let hub = here::hub();
    let at = hub.now.get() + duration;
    Sleep { hub, at, timer: None }
}

/// A sleep. It takes a place in the wheel at its first poll.
#[must_use = "futures do nothing unless polled"]
pub struct Sleep {
    hub: Rc<Hub>,
    at: Instant,
    timer: Option<TimerKey>,
}

impl Sleep {
    /// Changes when it ends.
    pub fn reset(&mut self, at: Instant) {
        self.at = at;
        self.cancel();
    }

    fn cancel(&mut self) {
        if let Some(timer) = self.timer.take() {
            self.hub.wheel.borrow_mut().cancel(timer);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let hub = &this.hub;
        if hub.now.get() >= this.at || hub.closed.get() {
            this.cancel();
            return Poll::Ready(());
        }
        let mut wheel = hub.wheel.borrow_mut();
        if this.timer.is_some_and(|timer| wheel.rewake(timer, cx.waker())) {
            return Poll::Pending;
        }
        if wheel.live() >= hub.config.timers_max {
            add(&hub.tally.timers_refused, 1);
            return Poll::Ready(());
        }
        add(&hub.tally.timers, 1);
        this.timer = wheel.insert(hub.tick_of(this.at), cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// The deadline passed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the deadline passed")]
pub struct Elapsed;

/// Runs a future until `at` at the latest; the future is dropped with this one.
pub fn deadline<F: Future>(future: F, at: Instant) -> Deadline<F> {
    Deadline { future, sleep: sleep_until(at) }
}

/// A future with a deadline. The timer is set only if the future has to wait.
#[must_use = "futures do nothing unless polled"]
pub struct Deadline<F> {
    future: F,
    sleep: Sleep,
}

impl<F: Future> Future for Deadline<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: the inner future is pinned with self: it is neither moved out nor reachable otherwise. The sleep
        // does not care about being pinned.
        let (future, sleep) = unsafe {
            let this = self.get_unchecked_mut();
            (Pin::new_unchecked(&mut this.future), &mut this.sleep)
        };
        if let Poll::Ready(output) = future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        Pin::new(sleep).poll(cx).map(|()| Err(Elapsed))
    }
}

/// Lets everything else that is ready run first.
pub fn yield_now() -> Yield {
    Yield(false)
}

/// Ready at the second poll.
#[must_use = "futures do nothing unless polled"]
pub struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
