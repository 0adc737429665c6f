//! Which route answers a request.
//!
//! Of all routes that match, one wins by this order; the first difference decides:
//!
//! 1. the higher `priority`;
//! 2. the host: an exact name before the longer `*.` suffix before the shorter, all before any host;
//! 3. the path: an exact one, then a regular expression, then templates and prefixes, which are compared segment by
//!    segment from the left: text before `{capture}` before `{*rest}`, and the end of the path before `/*`. So the longer
//!    prefix wins over the shorter, and `/users/me` over `/users/{id}` over `/users/*`;
//! 4. the number of further conditions: the more the better;
//! 5. the order in the file: the earlier.
//!
//! This order does not depend on the request, so it is settled when the router is built: every way to match a route, an
//! [`Entry`], has a place in one long list. Finding a route is finding the first entry of that list which holds, and the
//! tree below only leaves out those that cannot. Entries with the same host and path are tried one after the other; beyond
//! that the cost of a look-up does not depend on how many routes there are.

mod ask;
mod condition;
mod entry;
mod test;
mod tree;

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_schema::value::{HostPattern, PathPattern};

pub use ask::Ask;
pub use condition::{Conditions, Miss};
pub use entry::Entry;
pub use test::{Test, Tests};

use crate::host::HostMap;
use crate::id::RouteId;
use crate::route::Route;
use tree::{Root, Sapling, Start, Tree};

/// A route together with what it matches.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What happens.
    pub route: Arc<Route>,
    /// Above all of lower priority.
    pub priority: i32,
    /// Hosts, of which one must hold; empty means any.
    pub hosts: Vec<HostPattern>,
    /// Paths, of which one must hold, in normal form; empty means any.
    pub paths: Vec<PathPattern>,
    /// What else must hold.
    pub conditions: Conditions,
}

/// Every route, ready to be found.
#[derive(Debug, Default)]
pub struct Router {
    rules: Vec<Rule>,
    /// Every way to match a route; of several that hold the first wins.
    entries: Vec<Entry>,
    /// The route of each entry: with very many routes a small array stays in the caches.
    routes: Vec<Arc<Route>>,
    /// Roots of hosts that are no single name.
    hosts: HostMap<Root>,
    tree: Tree,
}

/// A route that was found, and by which entry.
#[derive(Clone, Copy, Debug)]
pub struct Found<'r> {
    /// The route.
    pub route: &'r Arc<Route>,
    /// What matched.
    pub entry: &'r Entry,
    /// A route that asks for claims might be meant instead, or this one asks for them itself: once the policies of this
    /// one have verified a token, ask again.
    pub wants_claims: bool,
}

impl Router {
    /// Builds the router. The id of a rule's route is its place among the rules.
    ///
    /// # Errors
    /// Each regular expression that cannot be compiled: the rule, the path in it, and why.
    pub fn new(rules: Vec<Rule>) -> Result<Self, Vec<Fault>> {
        let mut entries = Vec::with_capacity(rules.len());
        let mut faults = Vec::new();
        for rule in &rules {
            let id = rule.route.id;
            for (path, made) in entry::of_rule(id, rule) {
                match made {
                    Ok(entry) => entries.push(entry),
                    Err(reason) => faults.push(Fault { route: id, path, reason }),
                }
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        entries.sort_by(Entry::before);
        let route = |entry: &Entry| rules.get(entry.route.index()).map(|rule| Arc::clone(&rule.route));
        let routes = entries.iter().filter_map(route).collect();
        let (hosts, tree) = grown(&entries);
        Ok(Self { rules, entries, routes, hosts, tree })
    }

    /// The trees of all hosts that hold this name.
    fn trees(&self, host: &str) -> impl Iterator<Item = Start<'_>> {
        self.tree
            .host(host)
            .into_iter()
            .chain(self.hosts.each(host).filter_map(|root| self.tree.below(*root)))
    }

    /// The route that answers. As long as nobody has verified a token, a route that asks for claims may be the right one
    /// or not: it is left out where another one holds, which then [`Found::wants_claims`].
    #[must_use]
    pub fn find(&self, ask: &Ask<'_>) -> Option<Found<'_>> {
        let (mut best, mut unsure) = (u32::MAX, u32::MAX);
        for start in self.trees(ask.request.host()) {
            let mut holds = |place: u32| match self.miss(place, ask) {
                None => true,
                Some(Miss::Claim(_)) if ask.identity.is_none_or(|identity| identity.claims.is_none()) => {
                    unsure = unsure.min(place);
                    false
                }
                Some(_) => false,
            };
            self.tree.search(start, ask.request.path(), &mut best, &mut holds);
        }
        let place = if best == u32::MAX { unsure } else { best };
        let (route, entry) = (self.routes.get(place as usize)?, self.entry(place)?);
        Some(Found { route, entry, wants_claims: unsure < best })
    }

    /// The methods of routes that match but for their method, in alphabetical order. For requests that found no route.
    #[must_use]
    pub fn methods(&self, ask: &Ask<'_>) -> BTreeSet<&str> {
        let mut methods = BTreeSet::new();
        for start in self.trees(ask.request.host()) {
            let mut note = |place: u32| {
                if self.miss(place, ask) == Some(Miss::Method) {
                    let rule = self.entry(place).and_then(|entry| self.rules.get(entry.route.index()));
                    methods.extend(rule.iter().flat_map(|rule| &rule.conditions.methods).map(AsRef::as_ref));
                }
                false
            };
            self.tree.search(start, ask.request.path(), &mut u32::MAX.clone(), &mut note);
        }
        methods
    }

    fn entry(&self, place: u32) -> Option<&Entry> {
        self.entries.get(place as usize)
    }

    /// Why an entry does not hold whose host and segments the tree has found already.
    fn miss(&self, place: u32, ask: &Ask<'_>) -> Option<Miss<'_>> {
        let Some(entry) = self.entry(place) else { return Some(Miss::Path) };
        if !entry.pattern_holds(ask.request.path()) {
            return Some(Miss::Path);
        }
        self.rules.get(entry.route.index()).map_or(Some(Miss::Path), |rule| rule.conditions.miss(ask))
    }

    /// Every route with what it matches, by id.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Every way to match a route, in the order in which they win.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

/// Puts every entry into the tree of its host, the last first: each then stands at the head of its list.
fn grown(entries: &[Entry]) -> (HostMap<Root>, Tree) {
    let (mut hosts, mut sapling) = (HostMap::default(), Sapling::new(entries.len()));
    for (place, entry) in entries.iter().enumerate().rev() {
        let root = match &entry.host {
            HostPattern::Exact(name) => sapling.host(name),
            several => *hosts.entry(several, || sapling.root()),
        };
        sapling.insert(root, entry.spot(), u32::try_from(place).unwrap_or(u32::MAX));
    }
    (hosts, sapling.settle())
}

/// A path that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Whose path it is.
    pub route: RouteId,
    /// Which of its paths, from 0.
    pub path: usize,
    /// Why.
    pub reason: String,
}

#[cfg(test)]
mod tests;
