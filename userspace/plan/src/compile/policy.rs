//! Policies as meant: the library of all of them, and the chains that listeners and routes ask.

use std::sync::Arc;

use weir_policy::{Chain, Library};
use weir_schema::Config;

use super::{Build, listener};
use crate::chains::Chains;

/// The library and every chain. What the plan in force has counted is taken over with rules that are written as before.
pub(super) fn all(config: &Arc<Config>, build: &mut Build<'_>) -> (Library, Chains) {
    let outside = build.outside;
    let files = |path: &str| outside.files.read(path);
    let before = outside.before.and_then(|plan| plan.library.as_ref());
    let report = &mut build.report;
    let mut library = Library::new(config, before, &files, report);
    let listeners: Vec<Chain> = (config.listeners.iter())
        .map(|one| library.chain(&listener::name(one), &one.policies, &files, report))
        .collect();
    let routes: Vec<Chain> = (config.routes.iter())
        .map(|route| library.chain(&route.label(), &route.policies, &files, report))
        .collect();
    library.seal();
    (library, Chains::new(&listeners, &routes))
}
