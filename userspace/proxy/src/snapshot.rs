//! A plan as one worker works by it: the plan itself, and this worker's pools and seats for what it names.
use crate::upstream::{Board, Pool};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
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
    desks: Vec<Counter>,
    pools: Vec<Rc<Pool>>,
}

/// What a worker keeps about a listener.
struct Counter {
    rules: Rules,
    /// Where each route's requests are counted.
    seats: Vec<Seat>,
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
        for pool in &pools {
            let old = before
                .and_then(|before| before.pools.iter().find(|old| old.upstream.name == pool.upstream.name));
            if let Some(old) = old {
                pool.inherit(old);
            }
        }
        let mut directory = directory.lock().unwrap_or_else(PoisonError::into_inner);
        let desks = plan
            .listeners
            .iter()
            .map(|listener| Counter {
                rules: rules(listener),
                seats: plan
                    .router
                    .rules()
                    .iter()
                    .map(|rule| directory.seat(&listener.name, &rule.route.name))
                    .collect(),
            })
            .collect();
        Snapshot { plan, desks, pools }
    }

    /// The listener that has this address.
    pub(crate) fn listener(&self, bind: &Bind) -> Option<&Arc<Listener>> {
        self.plan.listeners.iter().find(|listener| listener.binds.contains(bind))
    }

    /// How requests of a listener are read.
    pub(crate) fn rules(&self, listener: &Listener) -> Rules {
        self.desks.get(listener.id.index()).map(|counter| counter.rules).unwrap_or_default()
    }

    /// Where requests of a route are counted.
    pub(crate) fn seat(&self, listener: &Listener, route: RouteId) -> Seat {
        let counter = self.desks.get(listener.id.index());
        counter.and_then(|counter| counter.seats.get(route.index())).copied().unwrap_or(Seat::OTHER)
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
    Rules { limits, scheme, ..Rules::default() }
}
