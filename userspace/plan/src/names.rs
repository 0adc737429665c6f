//! What a plan has, by name: tunnels go on without a plan, and ask the next one whether it still has what led to them.

use std::collections::HashSet;
use std::sync::Arc;

use crate::Plan;

/// The names of a plan's routes and upstreams.
#[derive(Debug, Default)]
pub struct Names {
    routes: HashSet<Arc<str>>,
    upstreams: HashSet<Arc<str>>,
}

impl Names {
    pub(crate) fn of(plan: &Plan) -> Self {
        let routes = plan.router.rules().iter().map(|rule| Arc::clone(&rule.route.name));
        let upstreams = plan.upstreams.iter().map(|upstream| Arc::clone(&upstream.name));
        Self { routes: routes.collect(), upstreams: upstreams.collect() }
    }

    /// Whether the plan has this route, where one is named, and this upstream.
    #[must_use]
    pub fn have(&self, route: Option<&str>, upstream: &str) -> bool {
        self.upstreams.contains(upstream) && route.is_none_or(|route| self.routes.contains(route))
    }
}
