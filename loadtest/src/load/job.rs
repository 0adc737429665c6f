//! What one window of load is: to whom, what, how, and for how long.

use super::arrivals::Ramp;
use crate::client::endpoint::Endpoint;
use crate::client::mix::Mix;
use crate::scenario::{Arrivals, Protocol, Scenario};
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
    /// The window of a scenario's load at one server.
    pub(crate) fn new(
        scenario: &Scenario,
        (endpoint, mix): (Arc<Endpoint>, Arc<Mix>),
        pace: Pace,
        stop: &Arc<AtomicBool>,
    ) -> Self {
        Self {
            endpoint,
            mix,
            protocol: scenario.client.protocol.value,
            keeps: scenario.client.keep_alive.value,
            pace,
            connections: scenario.load.connections(),
            streams: scenario.load.streams(),
            warm_up: scenario.warm_up.value,
            length: scenario.duration.value,
            stop: Arc::clone(stop),
        }
    }

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
