//! What one worker knows of an upstream: its idle connections, and whose turn it is.
use crate::{
    fault::Fault,
    h1::{Inflow, Outflow},
    line::Line,
    proxy_protocol,
    stream::Stream,
    tls::Tls,
};
use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use weir_message::Limits;
use weir_plan::upstream::{Address, Passive, Target, Upstream};
use weir_reactor::now;

/// One connection to a target.
pub(crate) struct Link {
    pub(crate) inflow: Inflow,
    pub(crate) outflow: Outflow,
    pub(crate) stream: Rc<Stream>,
    /// Requests sent over it.
    pub(crate) requests: u32,
    idle_since: Instant,
}

/// One target: its idle connections, and how it does.
#[derive(Default)]
struct Shelf {
    #[expect(clippy::vec_box, reason = "exchanges hold the box, which moves here and back as it is")]
    idle: RefCell<Vec<Box<Link>>>,
    /// Requests that it carries now, for this worker.
    load: Cell<u32>,
    errors_in_row: Cell<u32>,
    bad_answers_in_row: Cell<u32>,
    /// How often it has been left out.
    ejections: Cell<u32>,
    /// Left out until then.
    out_until: Cell<Option<Instant>>,
}

/// A request that a target carries, until this is dropped.
pub(crate) struct Carried {
    pool: Rc<Pool>,
    target: usize,
}

impl Drop for Carried {
    fn drop(&mut self) {
        self.pool.total.set(self.pool.total.get().saturating_sub(1));
        if let Some(shelf) = self.pool.shelves.get(self.target) {
            shelf.load.set(shelf.load.get().saturating_sub(1));
        }
    }
}

/// One worker's state about one upstream. It outlives plans in which the upstream is the same.
pub(crate) struct Pool {
    pub(crate) upstream: Arc<Upstream>,
    shelves: Vec<Shelf>,
    /// Requests so far, for taking turns.
    turns: Cell<u64>,
    /// Requests that all targets carry now, for this worker.
    total: Cell<u32>,
}

impl Pool {
    pub(crate) fn new(upstream: Arc<Upstream>) -> Pool {
        let shelves = upstream.targets.iter().map(|_| Shelf::default()).collect();
        Pool { upstream, shelves, turns: Cell::new(0), total: Cell::new(0) }
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
            }
        }
    }

    /// A kept connection to the target that is still good, the one used last first.
    pub(crate) async fn take(&self, target: usize) -> Option<Box<Link>> {
        let shelf = self.shelves.get(target)?;
        loop {
            let link = shelf.idle.borrow_mut().pop()?;
            let fresh = now().saturating_duration_since(link.idle_since) < self.upstream.keep_alive.idle;
            if fresh && link.stream.is_quiet().await {
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
        }
    }

    /// The number of this choice.
    pub(crate) fn turn(&self) -> u64 {
        let turn = self.turns.get();
        self.turns.set(turn.wrapping_add(1));
        turn
    }

    /// Counts a request as carried by the target.
    pub(crate) fn carry(self: &Rc<Self>, target: usize) -> Carried {
        self.total.set(self.total.get().saturating_add(1));
        if let Some(shelf) = self.shelves.get(target) {
            shelf.load.set(shelf.load.get().saturating_add(1));
        }
        Carried { pool: Rc::clone(self), target }
    }

    pub(crate) fn load(&self, target: usize) -> u32 {
        self.shelves.get(target).map_or(0, |shelf| shelf.load.get())
    }

    pub(crate) fn total(&self) -> u32 {
        self.total.get()
    }

    /// Whether the target is not left out.
    pub(crate) fn is_well(&self, target: usize) -> bool {
        self.shelves.get(target).is_some_and(|shelf| shelf.out_until.get().is_none_or(|until| now() >= until))
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

    /// Leaves a target out, longer each time, unless too many are out already; one always may be.
    fn eject(&self, shelf: &Shelf, passive: &Passive) {
        let out = self
            .shelves
            .iter()
            .filter(|other| other.out_until.get().is_some_and(|until| now() < until))
            .count();
        let share = f64::from(u32::try_from(out + 1).unwrap_or(u32::MAX))
            / f64::from(u32::try_from(self.shelves.len()).unwrap_or(u32::MAX));
        shelf.errors_in_row.set(0);
        shelf.bad_answers_in_row.set(0);
        if out > 0 && share > passive.eject_share_max {
            return;
        }
        shelf.ejections.set(shelf.ejections.get().saturating_add(1));
        let pause = passive.eject.saturating_mul(shelf.ejections.get()).min(passive.eject_max);
        shelf.out_until.set(Some(now() + pause));
    }

    /// Opens a connection to the target.
    pub(crate) async fn open(&self, target: usize, line: &Line) -> Result<Box<Link>, Fault> {
        let stream = Rc::new(self.open_stream(target, line).await?);
        Ok(Box::new(Link {
            inflow: Inflow::new(Rc::clone(&stream), Limits::default()),
            outflow: Outflow::new(Rc::clone(&stream)),
            stream,
            requests: 0,
            idle_since: now(),
        }))
    }

    /// Connects to the target, with everything that belongs before the first byte of a protocol.
    pub(crate) async fn open_stream(&self, target: usize, line: &Line) -> Result<Stream, Fault> {
        let place = self.upstream.targets.get(target).ok_or(Fault::NoTarget)?;
        let connecting = self.connect(target, place, line);
        let connected = line.watch.limit(self.upstream.timeouts.connect, connecting).await;
        connected.map_err(|_| Fault::ConnectSlow)?.map_err(Fault::Connect)
    }

    async fn connect(&self, index: usize, target: &Target, line: &Line) -> io::Result<Stream> {
        let stream = match &target.address {
            Address::Ip(address) => weir_reactor::Stream::connect(*address).await?,
            Address::Unix(path) => weir_reactor::Stream::connect_unix(path).await?,
            Address::Name(name, port) => connect_named(name, *port, line).await?,
        };
        if self.upstream.proxy_protocol.is_some() {
            let mut header = Vec::new();
            proxy_protocol::write(line.peer, stream.peer().unwrap_or(line.peer), &mut header);
            stream.send(header).await.0?;
        }
        let Some(tls) = &self.upstream.tls else { return Ok(Stream::Plain(stream)) };
        let name = tls.names.get(index).ok_or(io::ErrorKind::InvalidInput)?.clone();
        let tls = Tls::connect(stream, Arc::clone(&tls.config), name).await?;
        Ok(Stream::Tls(Box::new(tls)))
    }
}

/// Addresses of one name that are tried for one connection.
const ADDRESSES_MAX: usize = 4;

/// Connects to a name: an address that refuses is followed by the next, as a name often has one of each family.
async fn connect_named(name: &Arc<str>, port: u16, line: &Line) -> io::Result<weir_reactor::Stream> {
    let mut tried: Vec<SocketAddr> = Vec::new();
    loop {
        let address = line.desk.names.find(name, port, &line.desk.helm).await?;
        match weir_reactor::Stream::connect(address).await {
            Err(error) if tried.contains(&address) || tried.len() + 1 == ADDRESSES_MAX => return Err(error),
            Err(_) => tried.push(address),
            connected => return connected,
        }
    }
}
