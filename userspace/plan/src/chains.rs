//! The policies that judge: for each listener its own, for each route at a listener those of both.

use std::collections::HashMap;
use std::sync::Arc;

use weir_policy::{Chain, Step};

use crate::id::{ListenerId, RouteId};

/// The chains of all listeners and routes. Chains of the same policies are one and the same.
#[derive(Debug, Default)]
pub struct Chains {
    listeners: Vec<Arc<Chain>>,
    /// For each listener the chain of each route.
    routes: Vec<Arc<[Arc<Chain>]>>,
}

impl Chains {
    /// Puts together what each listener and each route asks for, in the order of their ids.
    #[must_use]
    pub fn new(listeners: &[Chain], routes: &[Chain]) -> Self {
        let mut known: HashMap<Vec<usize>, Arc<Chain>> = HashMap::new();
        let mut whole: HashMap<Vec<usize>, Arc<[Arc<Chain>]>> = HashMap::new();
        let mut chains = Self::default();
        for listener in listeners {
            let own = listener.steps();
            chains.listeners.push(join(own, &[], &mut known));
            let routes = whole
                .entry(key(own))
                .or_insert_with(|| routes.iter().map(|route| join(own, route.steps(), &mut known)).collect());
            chains.routes.push(Arc::clone(routes));
        }
        chains
    }

    /// What judges connections at a listener, and requests there that no route answers.
    #[must_use]
    pub fn of_listener(&self, listener: ListenerId) -> Option<&Arc<Chain>> {
        self.listeners.get(listener.index())
    }

    /// What judges the requests of a route that arrive at a listener.
    #[must_use]
    pub fn of_route(&self, listener: ListenerId, route: RouteId) -> Option<&Arc<Chain>> {
        self.routes.get(listener.index())?.get(route.index())
    }
}

fn key(steps: &[Arc<Step>]) -> Vec<usize> {
    steps.iter().map(|step| Arc::as_ptr(step).addr()).collect()
}

/// The chain of the listener's steps and those of the route which are not among them.
fn join(
    listener: &[Arc<Step>],
    route: &[Arc<Step>],
    known: &mut HashMap<Vec<usize>, Arc<Chain>>,
) -> Arc<Chain> {
    let fresh = route.iter().filter(|step| !listener.iter().any(|own| Arc::ptr_eq(own, step)));
    let steps: Vec<Arc<Step>> = listener.iter().chain(fresh).cloned().collect();
    Arc::clone(known.entry(key(&steps)).or_insert_with(|| Arc::new(Chain::new(steps))))
}
