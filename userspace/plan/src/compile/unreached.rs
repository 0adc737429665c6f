//! Warns of policies that never judge where they are written.

use std::collections::HashSet;

use weir_schema::listener::Listener;
use weir_schema::policy::PolicyUse;
use weir_schema::{At, Code, Diagnostic};

use super::Build;

/// A policy that has judged at every listener does not judge again at a route.
pub(super) fn warn(build: &mut Build<'_>) {
    let config = build.config;
    let serves = |listener: &&At<Listener>| listener.tcp.is_none() && listener.redirect.is_none();
    let mut everywhere: Option<HashSet<&str>> = None;
    for listener in config.listeners.iter().filter(serves) {
        let own: HashSet<&str> = names(&listener.policies).map(|(name, _)| name).collect();
        everywhere = Some(match everywhere {
            None => own,
            Some(everywhere) => everywhere.intersection(&own).copied().collect(),
        });
    }
    let everywhere = everywhere.unwrap_or_default();
    for route in &config.routes {
        for (name, used) in names(&route.policies).filter(|(name, _)| everywhere.contains(name)) {
            let message =
                format!("`{name}` has judged at every listener already and does not judge again here");
            let found = Diagnostic::new(Code::Unreached, used.span, message);
            build.report.push(found.hint("Take it out here, or there."));
        }
    }
}

fn names(policies: &[At<PolicyUse>]) -> impl Iterator<Item = (&str, &At<PolicyUse>)> {
    policies.iter().filter_map(|used| match &used.value {
        PolicyUse::Named(name) => Some((name.0.as_str(), used)),
        PolicyUse::Inline(_) => None,
    })
}
