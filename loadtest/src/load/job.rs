//! What one window of load is: to whom, what, how, and for how long.

use super::arrivals::Ramp;
use crate::client::endpoint::Endpoint;
use crate::client::mix::Mix;
use crate::scenario::{Arrivals, Protocol};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// When requests leave.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// When the answer to the one before is there.
    Closed,
    /// At times of their own.
    Open(Ramp, Arrivals),
    /// Once on each connection, which then stays open until the window ends.
    Once,
}

/// One window.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) mix: Arc<Mix>,
    pub(crate) protocol: Protocol,
    pub(crate) keeps: bool,
    pub(crate) pace: Pace,
    pub(crate) connections: u32,
    pub(crate) streams: u32,
    pub(crate) warm_up: Duration,
    pub(crate) length: Duration,
    /// Ends every window early when set.
    pub(crate) stop: Arc<AtomicBool>,
}

impl Job {
    /// The part that falls to one of the threads.
    pub(super) fn part(&self, thread: u32, threads: u32) -> Self {
        let share = |whole: u32| whole / threads + u32::from(thread < whole % threads);
        let pace = match self.pace {
            Pace::Open(ramp, arrivals) => {
                let threads = f64::from(threads);
                Pace::Open(Ramp { from: ramp.from / threads, to: ramp.to / threads, ..ramp }, arrivals)
            }
            other => other,
        };
        Self { connections: share(self.connections).max(1), pace, ..self.clone() }
    }
}
