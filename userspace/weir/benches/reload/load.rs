//! Clients that ask at a pace of their own, and how long each answer took.

use crate::client::Client;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// When the next request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Once the one before is answered: two clients on one connection each, one on a new connection for each request.
    Closed,
    /// At its time, whether or not the one before is answered in time: the wait counts.
    Open,
}

/// Clients in an open loop, and how far apart the requests of each are: 1,600 a second together.
const CLIENTS: u32 = 8;
const APART: Duration = Duration::from_millis(5);

/// Running clients.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Outcome>>,
}

/// What became of the requests.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) asked: usize,
    pub(crate) failed: usize,
    us: Vec<u32>,
}

impl Load {
    pub(crate) fn start(port: u16, pace: Pace) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let begin = |number: u32| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || match pace {
                Pace::Closed => closed(port, number == 0, &stop),
                Pace::Open => open(port, APART * number / CLIENTS, &stop),
            })
        };
        let clients = if pace == Pace::Closed { 3 } else { CLIENTS };
        let threads = (0..clients).map(begin).collect();
        Self { stop, threads }
    }

    /// Ends the clients and adds up what they saw.
    pub(crate) fn stop(self) -> Outcome {
        self.stop.store(true, Relaxed);
        let mut sum = Outcome::default();
        for thread in self.threads {
            let one = thread.join().expect("a client goes on");
            sum.asked += one.asked;
            sum.failed += one.failed;
            sum.us.extend(one.us);
        }
        sum
    }
}

fn closed(port: u16, is_fresh: bool, stop: &AtomicBool) -> Outcome {
    let (mut outcome, mut client) = (Outcome::default(), None);
    while !stop.load(Relaxed) {
        outcome.ask(port, &mut client, Instant::now());
        if is_fresh {
            client = None;
        }
    }
    outcome
}

fn open(port: u16, after: Duration, stop: &AtomicBool) -> Outcome {
    let (mut outcome, mut client) = (Outcome::default(), None);
    let mut due = Instant::now() + after;
    while !stop.load(Relaxed) {
        wait_until(due);
        outcome.ask(port, &mut client, due);
        due += APART;
    }
    outcome
}

/// Waits until a moment has come.
pub(crate) fn wait_until(due: Instant) {
    while Instant::now() < due {
        std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
    }
}

impl Outcome {
    /// Sends a request that was due at a moment, on the connection there is or on a new one.
    fn ask(&mut self, port: u16, client: &mut Option<Client>, due: Instant) {
        self.asked += 1;
        if client.is_none() {
            *client = Client::new(port).ok();
        }
        match client.as_mut().map(Client::ask) {
            Some(Ok(true)) => {
                let us = due.elapsed().as_micros();
                self.us.push(u32::try_from(us).unwrap_or(u32::MAX));
            }
            _ => {
                self.failed += 1;
                *client = None;
            }
        }
    }

    pub(crate) fn p99_us(&self) -> f64 {
        let mut sorted = self.us.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() * 99 / 100).copied().map_or(0.0, f64::from)
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed loop",
            Self::Open => "open loop",
        })
    }
}
