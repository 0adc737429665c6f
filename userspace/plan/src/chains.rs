//! The policies that judge: for each listener its own, for each route at a listener those of both.

use std::collections::HashMap;
use std::sync::Arc;

use weir_policy::{Chain, Link, RateLimit, Step};

use crate::id::{ListenerId, RouteId};

/// A list that listeners have in common.
type Shared<T> = Arc<[Arc<T>]>;

/// The chains of all listeners and routes. Chains of the same policies are one and the same.
#[derive(Debug, Default)]
pub struct Chains {
    listeners: Vec<Arc<Chain>>,
    /// For each listener the chain of each route.
    routes: Vec<Shared<Chain>>,
    /// For each listener the limits that its requests may meet.
    limits: Vec<Shared<RateLimit>>,
}

impl Chains {
    /// With more limits than this at one listener, most of them would be foreseen in vain.
    pub const FORESEEN_MAX: usize = 4;

    /// Puts together what each listener and each route asks for, in the order of their ids.
    #[must_use]
    pub fn new(listeners: &[Chain], routes: &[Chain]) -> Self {
        let mut known: HashMap<Vec<usize>, Arc<Chain>> = HashMap::new();
        let mut whole: HashMap<Vec<usize>, (Shared<Chain>, Shared<RateLimit>)> = HashMap::new();
        let mut chains = Self::default();
        for listener in listeners {
            let own = listener.steps();
            chains.listeners.push(join(own, &[], &mut known));
            let (routes, limits) = whole.entry(key(own)).or_insert_with(|| {
                let joined = routes.iter().map(|route| join(own, route.steps(), &mut known));
                let joined: Shared<Chain> = joined.collect();
                let limits = limits(&joined).into();
                (joined, limits)
            });
            chains.limits.push(Arc::clone(limits));
            chains.routes.push(Arc::clone(routes));
        }
        chains
    }

    /// What judges connections at a listener, and requests there that no route answers.
    #[must_use]
    pub fn of_listener(&self, listener: ListenerId) -> Option<&Arc<Chain>> {
        self.listeners.get(listener.index())
    }

    /// The limits that nearly every request at a listener is counted by; none if it depends on the route.
    #[must_use]
    pub fn foreseen(&self, listener: ListenerId) -> &[Arc<RateLimit>] {
        self.limits.get(listener.index()).map_or(&[], AsRef::as_ref)
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

/// Each limit of these chains once, unless they are many.
fn limits(chains: &[Arc<Chain>]) -> Vec<Arc<RateLimit>> {
    let mut limits: Vec<Arc<RateLimit>> = Vec::new();
    for step in chains.iter().flat_map(|chain| chain.steps()) {
        if let Link::RateLimit(limit) = &step.link
            && !limits.iter().any(|known| Arc::ptr_eq(known, limit))
        {
            if limits.len() == Chains::FORESEEN_MAX {
                return Vec::new();
            }
            limits.push(Arc::clone(limit));
        }
    }
    limits
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

#[cfg(test)]
mod tests {
    use super::*;
    use weir_policy::IpList;
    use weir_policy::rate_limit::{Family, Part};

    fn step(link: Link) -> Arc<Step> {
        Arc::new(Step { rule: "rule".into(), link, observe: false })
    }

    fn limit() -> Arc<Step> {
        step(Link::RateLimit(Arc::new(RateLimit::new(vec![Part::Ip], Vec::new(), Family::None, 8))))
    }

    #[test]
    fn few_limits_are_foreseen_once_each_and_many_not_at_all() {
        let (shared, list) = (limit(), step(Link::IpList(Arc::new(IpList::default()))));
        let check = |own: Vec<Arc<Step>>, routes: Vec<Vec<Arc<Step>>>, expect: usize| {
            let routes: Vec<Chain> = routes.into_iter().map(Chain::new).collect();
            let chains = Chains::new(&[Chain::default(), Chain::new(own)], &routes);
            assert_eq!(chains.foreseen(ListenerId(1)).len(), expect);
        };
        check(vec![], vec![], 0);
        check(vec![], vec![vec![list.clone()], vec![shared.clone()], vec![shared.clone()]], 1);
        check(vec![shared.clone()], vec![vec![list, limit()], vec![shared.clone(), limit()]], 3);
        let many = || (0..Chains::FORESEEN_MAX).map(|_| vec![limit()]).collect::<Vec<_>>();
        check(vec![], many(), Chains::FORESEEN_MAX);
        check(vec![shared], many(), 0);
    }
}
