//! One connection of the load: sends, judges, counts, and opens anew where it must.

use super::job::Pace;
use super::random::Random;
use super::run::Shared;
use crate::client::{h1, h2, websocket};
use crate::measure::Fault;
use crate::scenario::Protocol;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// A server that refuses everything is asked again after this time, not at once.
const PAUSE: Duration = Duration::from_millis(5);

/// One connection.
pub(super) struct Worker {
    shared: Rc<Shared>,
    random: Random,
    /// For a load of one request each: it is sent.
    is_spent: bool,
}

/// What an exchange came to: the status, and how many bytes came.
type Exchanged = Result<(u16, u64), Fault>;

impl Worker {
    pub(super) fn new(shared: Rc<Shared>, random: Random) -> Self {
        Self { shared, random, is_spent: false }
    }

    pub(super) async fn run(self) {
        match self.shared.job.protocol {
            Protocol::Http1 => self.run_h1().await,
            Protocol::H2 => self.run_h2().await,
            Protocol::WebSocket => self.run_websocket().await,
        }
    }

    async fn run_h1(mut self) {
        let shared = Rc::clone(&self.shared);
        let mut client = h1::Client::new(&shared.job.endpoint, shared.job.keeps);
        let mut now = Instant::now();
        while let Some(due) = self.due(now).await {
            let Some((request, token)) = shared.job.mix.draw(&mut self.random) else { break };
            let (opened, received) = (client.opened, client.received);
            self.leaves(due);
            let outcome = client.exchange(request, token).await;
            shared.tally.borrow_mut().opened += client.opened - opened;
            let received = client.received - received;
            now = self.count(due, outcome.map(|status| (status, received))).await;
        }
    }

    async fn run_h2(mut self) {
        let shared = Rc::clone(&self.shared);
        let mut now = Instant::now();
        while !self.is_over(now) {
            let client = match h2::Client::open(&shared.job.endpoint).await {
                Ok(client) => client,
                Err(fault) => {
                    now = self.count(now, Err(fault)).await;
                    continue;
                }
            };
            shared.tally.borrow_mut().opened += 1;
            let streams = (0..shared.job.streams).map(|_| {
                let stream = Self::new(Rc::clone(&shared), Random::new(self.random.next()));
                tokio_uring::spawn(stream.run_stream(client.clone()))
            });
            for stream in streams.collect::<Vec<_>>() {
                stream.await.ok(); // ends with its last exchange, counted there
            }
            now = Instant::now();
        }
    }

    /// One of the requests under way on an HTTP/2 connection; ends when that fails.
    async fn run_stream(mut self, mut client: h2::Client) {
        let shared = Rc::clone(&self.shared);
        let mut now = Instant::now();
        while let Some(due) = self.due(now).await {
            let Some((request, token)) = shared.job.mix.draw(&mut self.random) else { break };
            self.leaves(due);
            let outcome = client.exchange(&shared.job.mix, request, token).await;
            now = self.count(due, outcome).await;
            if matches!(outcome, Err(Fault::Closed)) {
                break;
            }
        }
    }

    async fn run_websocket(mut self) {
        let shared = Rc::clone(&self.shared);
        let mut open = None;
        let mut now = Instant::now();
        while let Some(due) = self.due(now).await {
            let Some((request, token)) = shared.job.mix.draw(&mut self.random) else { break };
            self.leaves(due);
            let outcome = match &mut open {
                Some(client) => websocket::Client::exchange(client).await,
                None => {
                    let head = request.heads.get(token).cloned().unwrap_or_default();
                    match websocket::Client::open(&shared.job.endpoint, head).await {
                        Ok(client) => {
                            shared.tally.borrow_mut().opened += 1;
                            open.insert(client).exchange().await
                        }
                        Err(fault) => Err(fault),
                    }
                }
            };
            if outcome.is_err() {
                open = None;
            }
            now = self.count(due, outcome.map(|bytes| (101, bytes))).await;
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        now >= self.shared.window.end() || self.shared.job.stop.load(Relaxed)
    }

    /// When the next request is due; `None` at the end.
    async fn due(&mut self, now: Instant) -> Option<Instant> {
        match self.shared.job.pace {
            Pace::Open(..) => self.shared.queue.next().await,
            Pace::Closed => {
                let is_over = self.is_over(now);
                if !is_over && now >= self.shared.window.begin {
                    self.shared.tally.borrow_mut().offered += 1;
                }
                (!is_over).then_some(now)
            }
            Pace::Once if self.is_spent => {
                tokio::time::sleep_until(self.shared.window.end().into()).await;
                None
            }
            Pace::Once => {
                self.is_spent = true;
                // One after the other: all at once would only try the length of the server's queue.
                let share = self.random.unit();
                tokio::time::sleep(self.shared.job.warm_up.mul_f64(share)).await;
                Some(Instant::now())
            }
        }
    }

    fn leaves(&self, due: Instant) {
        if matches!(self.shared.job.pace, Pace::Open(..)) && due >= self.shared.window.begin {
            self.shared.tally.borrow_mut().sent(due, Instant::now());
        }
    }

    /// Counts an exchange that was due at `due`; what was due in the warm-up is not counted.
    async fn count(&self, due: Instant, outcome: Exchanged) -> Instant {
        let now = Instant::now();
        let counts = match self.shared.job.pace {
            // What was under way when the window opened takes the place of what is under way when it closes.
            Pace::Closed => (self.shared.window.begin..self.shared.window.end()).contains(&now),
            // All that was due within the window, however late it was answered: else the slowest would be left out.
            Pace::Open(..) => due >= self.shared.window.begin,
            Pace::Once => true,
        };
        if counts {
            let mut tally = self.shared.tally.borrow_mut();
            match outcome {
                Ok((status, received)) => {
                    let seen = if matches!(self.shared.job.pace, Pace::Open(..)) { due } else { now };
                    tally.answer(self.shared.window.slice(seen), now.saturating_duration_since(due));
                    *tally.statuses.entry(status).or_default() += 1;
                    tally.received_bytes += received;
                }
                Err(fault) => tally.fault(fault, 1),
            }
        }
        if outcome.is_err_and(Fault::is_before_asking) {
            tokio::time::sleep(PAUSE).await;
        }
        now
    }
}
