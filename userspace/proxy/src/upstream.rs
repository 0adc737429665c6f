//! What one worker knows of an upstream: its idle connections, and whose turn it is.
mod board;
mod budget;
mod dial;
mod permits;
mod pulse;

use crate::{
    h1::{Inflow, Outflow},
    h2::trunk::Trunks,
    line::Line,
    log,
    stream::Stream,
};
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use weir_message::Limits;
use weir_plan::balance::Balance;
use weir_plan::hash::Place;
use weir_plan::upstream::{Passive, Upstream};
use weir_reactor::now;

pub use board::{Board, TargetView, Unheeded, UpstreamView};
pub use pulse::State;

use board::Standing;
use budget::Budget;
pub(crate) use dial::Offer;
pub(crate) use permits::{Permit, Purse};
use pulse::Pulse;

/// One connection to a target.
pub(crate) struct Link {
    pub(crate) inflow: Inflow,
    pub(crate) outflow: Outflow,
    pub(crate) stream: Rc<Stream>,
    /// Requests sent over it.
    pub(crate) requests: u32,
    /// The client that its PROXY protocol header named.
    pub(crate) named: Option<SocketAddr>,
    idle_since: Instant,
    _permit: Permit,
}

impl Link {
    /// A connection on which nothing was sent yet.
    pub(crate) fn new(stream: Stream, permit: Permit) -> Box<Link> {
        let stream = Rc::new(stream);
        Box::new(Link {
            inflow: Inflow::new(Rc::clone(&stream), Limits::default()),
            outflow: Outflow::new(Rc::clone(&stream)),
            stream,
            requests: 0,
            named: None,
            idle_since: now(),
            _permit: permit,
        })
    }
}

/// One target: its idle connections, and how it does.
pub(crate) struct Shelf {
    /// What all workers know of it.
    pulse: Arc<Pulse>,
    #[expect(clippy::vec_box, reason = "exchanges hold the box, which moves here and back as it is")]
    idle: RefCell<Vec<Box<Link>>>,
    /// Connections that requests share.
    pub(crate) trunks: RefCell<Rc<Trunks>>,
    /// It chose HTTP/1 in the last handshake that asked.
    pub(crate) chose_h1: Cell<bool>,
    /// It speaks HTTP/2, and carries no WebSocket by that (RFC 8441, section 3).
    pub(crate) lacks_sockets: Cell<bool>,
    /// Requests that it carries now, for this worker.
    load: Cell<u32>,
    errors_in_row: Cell<u32>,
    bad_answers_in_row: Cell<u32>,
}

impl Shelf {
    fn new(pulse: Arc<Pulse>) -> Shelf {
        Shelf {
            pulse,
            idle: RefCell::default(),
            trunks: RefCell::default(),
            chose_h1: Cell::new(false),
            lacks_sockets: Cell::new(false),
            load: Cell::new(0),
            errors_in_row: Cell::new(0),
            bad_answers_in_row: Cell::new(0),
        }
    }
}

/// A request that a target carries, until this is dropped.
pub(crate) struct Carried {
    pool: Rc<Pool>,
    target: usize,
    _permit: Permit,
}

impl Drop for Carried {
    fn drop(&mut self) {
        if let Some(shelf) = self.pool.shelves.get(self.target) {
            shelf.load.set(shelf.load.get().saturating_sub(1));
        }
    }
}

/// One worker's state about one upstream. It outlives plans in which the upstream is the same.
pub(crate) struct Pool {
    pub(crate) upstream: Arc<Upstream>,
    shelves: Vec<Shelf>,
    /// What the access log says of each target.
    told: Vec<Box<[u8]>>,
    /// Requests so far, for taking turns.
    turns: Cell<u64>,
    board: Arc<Board>,
    standing: Arc<Standing>,
    connections: Rc<Purse>,
    pub(crate) pending: Rc<Purse>,
    requests: Rc<Purse>,
    pub(crate) retries: Rc<Purse>,
    pub(crate) budget: Budget,
    /// The tables for the weights that an operator has set, and when that was.
    reweighed: RefCell<Option<Rc<Balance>>>,
    weighed: Cell<u64>,
    /// Too few targets are well, so all are used; and until when that is believed.
    panic: Cell<(bool, u64)>,
}

/// For how many milliseconds the count of well targets is believed.
const COUNTED_MS: u64 = 100;

impl Pool {
    pub(crate) fn new(upstream: Arc<Upstream>, board: &Arc<Board>) -> Pool {
        let standing = board.standing(&upstream.name);
        // The first pools are made before the reactor runs, so this is not its clock.
        let pulses = standing.pulses(&upstream, board.ms(Instant::now()));
        let [connections, pending, requests, retries] =
            standing.permits(upstream.breaker).map(|permits| Purse::new(permits, board.workers()));
        let told = upstream.targets.iter().map(|target| log::told(&upstream.name, &target.name)).collect();
        Pool {
            upstream,
            told,
            shelves: pulses.into_iter().map(Shelf::new).collect(),
            turns: Cell::new(0),
            board: Arc::clone(board),
            standing,
            connections,
            pending,
            requests,
            retries,
            budget: Budget::default(),
            reweighed: RefCell::default(),
            weighed: Cell::new(0),
            panic: Cell::new((false, 0)),
        }
    }

    /// What the access log says of a target.
    pub(crate) fn told(&self, target: usize) -> &[u8] {
        self.told.get(target).map_or(&[], |told| told)
    }

    /// This moment on the board's clock.
    pub(crate) fn ms(&self) -> u64 {
        self.board.ms(now())
    }

    /// Does something with the way to choose that is in force: the plan's, or one with the weights of an operator.
    pub(crate) fn balance<T>(&self, choose: impl FnOnce(&Balance) -> T) -> T {
        let newest = self.standing.weighed.load(std::sync::atomic::Ordering::Relaxed);
        if newest != self.weighed.replace(newest) {
            *self.reweighed.borrow_mut() = self.reweigh();
        }
        let own = self.reweighed.borrow().clone();
        choose(own.as_deref().unwrap_or(&self.upstream.balance))
    }

    fn reweigh(&self) -> Option<Rc<Balance>> {
        let weighed = || self.upstream.targets.iter().zip(&self.shelves);
        weighed().find_map(|(_, shelf)| shelf.pulse.weight_set())?;
        let places: Vec<Place<'_>> = weighed()
            .map(|(target, shelf)| Place { name: &target.name, weight: shelf.pulse.weight(target.weight) })
            .collect();
        Some(Rc::new(self.upstream.balance.reweighed(&places)))
    }

    /// Too few targets are well, so that all are used (B49). Counted anew every tenth of a second, or at once.
    pub(crate) fn panics(&self, now_ms: u64, at_once: bool) -> bool {
        let (panics, until) = self.panic.get();
        if now_ms < until && !at_once {
            return panics;
        }
        let (mut wanted, mut well) = (0_u32, 0_u32);
        for shelf in self.shelves.iter().filter(|shelf| !shelf.pulse.is_drained()) {
            wanted += 1;
            well += u32::from(shelf.pulse.is_well(now_ms));
        }
        let panics = f64::from(well) < f64::from(wanted) * self.upstream.health.panic;
        self.panic.set((panics, now_ms + COUNTED_MS));
        panics
    }

    /// Moves the idle connections of targets that stay the same over to the pool of a new plan.
    pub(crate) fn inherit(&self, old: &Pool) {
        if self.upstream.protocol != old.upstream.protocol
            || self.upstream.tls.is_some()
            || old.upstream.tls.is_some()
        {
            return;
        }
        for (target, shelf) in self.upstream.targets.iter().zip(&self.shelves) {
            let same = old.upstream.targets.iter().position(|known| known.address == target.address);
            if let Some(known) = same.and_then(|at| old.shelves.get(at)) {
                shelf.idle.borrow_mut().append(&mut known.idle.borrow_mut());
                shelf.trunks.replace(Rc::clone(&known.trunks.borrow()));
            }
        }
    }

    /// A kept connection to the target that is still good, the one used last first. One that began by naming a client is
    /// good for that client only.
    pub(crate) fn take(&self, target: usize, line: &Line) -> Option<Box<Link>> {
        let shelf = self.shelves.get(target)?;
        loop {
            let link = match self.upstream.proxy_protocol {
                None => shelf.idle.borrow_mut().pop()?,
                Some(_) => {
                    let mut idle = shelf.idle.borrow_mut();
                    let own = idle.iter().rposition(|link| link.named == Some(line.peer))?;
                    idle.remove(own)
                }
            };
            let fresh = now().saturating_duration_since(link.idle_since) < self.upstream.keep_alive.idle;
            if fresh && !link.stream.has_news() {
                return Some(link);
            }
        }
    }

    /// Keeps a connection for the next request, if there is room.
    pub(crate) fn put(&self, target: usize, mut link: Box<Link>) {
        let keep = &self.upstream.keep_alive;
        link.requests += 1;
        link.idle_since = now();
        if let Some(shelf) = self.shelves.get(target) {
            let mut idle = shelf.idle.borrow_mut();
            if link.requests < keep.requests_max && idle.len() < keep.connections_max as usize {
                idle.push(link);
            }
        }
    }

    /// Closes what has been idle for too long. The oldest lie in front.
    pub(crate) fn sweep(&self) {
        let limit = self.upstream.keep_alive.idle;
        for shelf in &self.shelves {
            shelf.idle.borrow_mut().retain(|link| now().saturating_duration_since(link.idle_since) < limit);
            shelf.trunks.borrow().sweep(&self.upstream.keep_alive);
        }
    }

    /// The number of this choice.
    pub(crate) fn turn(&self) -> u64 {
        let turn = self.turns.get();
        self.turns.set(turn.wrapping_add(1));
        turn
    }

    /// Counts a request as carried by the target; none if the upstream carries as much as it may.
    pub(crate) fn carry(self: &Rc<Self>, target: usize) -> Option<Carried> {
        let permit = self.requests.take()?;
        if let Some(shelf) = self.shelves.get(target) {
            shelf.load.set(shelf.load.get().saturating_add(1));
        }
        Some(Carried { pool: Rc::clone(self), target, _permit: permit })
    }

    pub(crate) fn load(&self, target: usize) -> u32 {
        self.shelves.get(target).map_or(0, |shelf| shelf.load.get())
    }

    /// Requests that all targets carry now, for this worker.
    pub(crate) fn total(&self) -> u32 {
        self.requests.used()
    }

    /// Whether nothing speaks against the target.
    pub(crate) fn is_well(&self, target: usize, now_ms: u64) -> bool {
        self.shelves.get(target).is_some_and(|shelf| shelf.pulse.is_well(now_ms))
    }

    /// Whether an operator has taken the target out of use.
    pub(crate) fn is_drained(&self, target: usize) -> bool {
        self.shelves.get(target).is_none_or(|shelf| shelf.pulse.is_drained())
    }

    /// The part of its share that the target may have now.
    pub(crate) fn warmth(&self, target: usize, now_ms: u64) -> f64 {
        let pulse = self.shelves.get(target).map(|shelf| &shelf.pulse);
        pulse.map_or(1.0, |pulse| pulse.warmth(now_ms, self.upstream.slow_start))
    }

    /// The target did not serve a request: no connection, no answer, or none that can be understood.
    pub(crate) fn failed(&self, target: usize) {
        let (Some(shelf), Some(passive)) = (self.shelves.get(target), &self.upstream.health.passive) else {
            return;
        };
        shelf.errors_in_row.set(shelf.errors_in_row.get().saturating_add(1));
        if shelf.errors_in_row.get() >= passive.consecutive_errors_max {
            self.eject(shelf, passive);
        }
    }

    /// The target answered with this status.
    pub(crate) fn answered(&self, target: usize, status: u16) {
        let (Some(shelf), Some(passive)) = (self.shelves.get(target), &self.upstream.health.passive) else {
            return;
        };
        shelf.errors_in_row.set(0);
        if status < 500 {
            shelf.bad_answers_in_row.set(0);
            return;
        }
        shelf.bad_answers_in_row.set(shelf.bad_answers_in_row.get().saturating_add(1));
        if shelf.bad_answers_in_row.get() >= passive.consecutive_5xx_max {
            self.eject(shelf, passive);
        }
    }

    /// Leaves a target out, longer each time, unless too many are not well already; one always may be left out.
    fn eject(&self, shelf: &Shelf, passive: &Passive) {
        let now_ms = self.ms();
        shelf.errors_in_row.set(0);
        shelf.bad_answers_in_row.set(0);
        let _one_at_a_time = self.standing.ejecting.lock();
        let is_lost = |shelf: &&Shelf| !shelf.pulse.is_drained() && !shelf.pulse.is_well(now_ms);
        let count = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let lost = self.shelves.iter().filter(is_lost).count();
        let share = count(lost + 1) / count(self.shelves.len());
        if shelf.pulse.is_well(now_ms) && (lost == 0 || share <= passive.eject_share_max) {
            shelf.pulse.eject(passive, now_ms);
        }
    }

    /// What is kept about the target.
    pub(crate) fn shelf(&self, target: usize) -> Option<&Shelf> {
        self.shelves.get(target)
    }
}
