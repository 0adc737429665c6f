//! A plan as one worker works by it: the plan itself, and this worker's pools and seats for what it names.
use crate::upstream::{Board, Pool};
use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use weir_message::{Limits, Scheme, h1::Rules};
use weir_meter::{Directory, Seat};
use weir_plan::{
    Plan,
    id::{RouteId, UpstreamId},
    listener::{Bind, Listener},
};

/// A plan and what a worker keeps about it.
pub(crate) struct Snapshot {
    pub(crate) plan: Arc<Plan>,
    /// How requests of each listener are read.
    rules: Vec<Rules>,
    pools: Vec<Rc<Pool>>,
    /// Nothing may go by it any more.
    is_over: Cell<bool>,
}

impl Snapshot {
    /// Makes the state for a plan, and moves over what the one before still has of use.
    pub(crate) fn new(
        plan: Arc<Plan>,
        directory: &Mutex<Directory>,
        board: &Arc<Board>,
        before: Option<&Snapshot>,
    ) -> Snapshot {
        let pools = plan
            .upstreams
            .iter()
            .map(|upstream| Rc::new(Pool::new(Arc::clone(upstream), board)))
            .collect::<Vec<_>>();
        let known = before.iter().flat_map(|before| &before.pools).map(|old| (&*old.upstream.name, old));
        let known: HashMap<&str, &Rc<Pool>> = known.collect();
        for pool in &pools {
            if let Some(old) = known.get(&*pool.upstream.name) {
                pool.inherit(old);
            }
        }
        // Whoever made the plan has done it as a rule; a worker should not wait for the lock.
        if plan.seats.get().is_none() {
            plan.seat(&mut directory.lock().unwrap_or_else(PoisonError::into_inner));
        }
        let rules = plan.listeners.iter().map(|listener| rules(listener)).collect();
        Snapshot { plan, rules, pools, is_over: Cell::new(false) }
    }

    /// Cuts the exchanges that go by it, as soon as they are woken.
    pub(crate) fn end(&self) {
        self.is_over.set(true);
    }

    /// Ready once exchanges may not go by it any more.
    pub(crate) fn poll_over(&self) -> Poll<()> {
        if self.is_over.get() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// The listener that has this address.
    pub(crate) fn listener(&self, bind: &Bind) -> Option<&Arc<Listener>> {
        self.plan.listeners.iter().find(|listener| listener.binds.contains(bind))
    }

    /// How requests of a listener are read.
    pub(crate) fn rules(&self, listener: &Listener) -> Rules {
        self.rules.get(listener.id.index()).copied().unwrap_or_default()
    }

    /// Where requests of a route are counted.
    pub(crate) fn seat(&self, listener: &Listener, route: RouteId) -> Seat {
        self.plan.seat_of(listener.id, route)
    }

    /// This worker's connections to an upstream.
    pub(crate) fn pool(&self, upstream: UpstreamId) -> Option<&Rc<Pool>> {
        self.pools.get(upstream.index())
    }

    /// Closes what has been idle for too long.
    pub(crate) fn sweep(&self) {
        self.pools.iter().for_each(|pool| pool.sweep());
    }
}

fn rules(listener: &Listener) -> Rules {
    let head_max = usize::try_from(listener.limits.header_bytes_max).unwrap_or(usize::MAX);
    let limits = Limits {
        line_max: head_max.min(Limits::default().line_max),
        head_max,
        fields_max: listener.limits.headers_max as usize,
        ..Limits::default()
    };
    let scheme = if listener.tls.is_some() { Scheme::Https } else { Scheme::Http };
    Rules { limits, scheme, paths: listener.paths, ..Rules::default() }
}
