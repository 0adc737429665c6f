//! Warns of routes that can never match, because others take everything they could.

use std::collections::{HashMap, HashSet};

use weir_schema::value::{HostPattern, PathPattern, Segment};
use weir_schema::{Code, Diagnostic};

use super::Build;
use crate::hash::Stable;
use crate::id::RouteId;
use crate::router::{Entry, Router};

/// For each route, by which other its entries are covered; one that is not keeps it alive.
pub(super) fn warn(router: &Router, build: &mut Build<'_>) {
    let mut covered: HashMap<RouteId, Option<RouteId>> = HashMap::new();
    let cover = Cover::new(router);
    for (place, entry) in router.entries().iter().enumerate() {
        let by = cover.find(place, entry);
        let fate = covered.entry(entry.route).or_insert(by);
        // The first that covers an entry is named; an entry that nothing covers ends the matter.
        *fate = fate.and(by.and(*fate));
    }
    let mut shadowed: Vec<_> = covered.into_iter().filter_map(|(route, by)| Some((route, by?))).collect();
    shadowed.sort_unstable();
    for (route, by) in shadowed {
        let routes = &build.config.routes;
        let (Some(route), Some(by)) = (routes.get(route.index()), routes.get(by.index())) else { continue };
        let message = format!("the route `{}` can never match", route.label());
        let found = Diagnostic::new(Code::Shadowed, route.r#match.span, message);
        build.report.push(found.also(by.r#match.span, format!("`{}` takes all that it could", by.label())));
    }
}

/// What each pair of host and path is taken by.
struct Cover<'r> {
    router: &'r Router,
    /// The first entry without conditions for each pair.
    whole: HashMap<(HostPattern, Shape), usize, Stable>,
    /// The first entry for each pair under the same conditions.
    alike: HashMap<(HostPattern, Shape, String), usize, Stable>,
    /// Priorities differ, so that a less exact entry may come first.
    is_ranked: bool,
}

impl<'r> Cover<'r> {
    fn new(router: &'r Router) -> Self {
        let priorities: HashSet<i32> = router.rules().iter().map(|rule| rule.priority).collect();
        let is_ranked = priorities.len() > 1;
        let mut cover = Self { router, whole: HashMap::default(), alike: HashMap::default(), is_ranked };
        for (place, entry) in router.entries().iter().enumerate() {
            let (host, shape) = (entry.host.clone(), Shape::of(&entry.path));
            match cover.conditions(entry) {
                None => cover.whole.entry((host, shape)).or_insert(place),
                Some(conditions) => cover.alike.entry((host, shape, conditions)).or_insert(place),
            };
        }
        cover
    }

    /// What must hold for an entry beside its host and path, if anything.
    fn conditions(&self, entry: &Entry) -> Option<String> {
        let rule = self.router.rules().get(entry.route.index())?;
        (rule.conditions.count() > 0).then(|| format!("{:?}", rule.conditions))
    }

    /// The route that takes everything this entry could.
    fn find(&self, place: usize, entry: &Entry) -> Option<RouteId> {
        let shape = Shape::of(&entry.path);
        let mut found = self.whole.get(&(entry.host.clone(), shape.clone())).copied();
        if let Some(conditions) = self.conditions(entry) {
            let alike = self.alike.get(&(entry.host.clone(), shape, conditions)).copied();
            found = found.filter(|found| *found < place).or(alike);
        }
        if self.is_ranked && found.is_none_or(|found| found >= place) {
            found = wider_hosts(&entry.host)
                .flat_map(|host| wider_paths(&entry.path).map(move |path| (host.clone(), path)))
                .find_map(|pair| self.whole.get(&pair).copied().filter(|found| *found < place));
        }
        let by = self.router.entries().get(found.filter(|found| *found < place)?)?.route;
        (by != entry.route).then_some(by)
    }
}

/// Every pattern that holds all hosts of this one, itself first.
fn wider_hosts(host: &HostPattern) -> impl Iterator<Item = HostPattern> {
    let (HostPattern::Exact(name) | HostPattern::Below(name)) = host else {
        return vec![HostPattern::Any].into_iter();
    };
    let mut wider = vec![host.clone()];
    let mut rest = name.as_str();
    while let Some((_, parent)) = rest.split_once('.') {
        wider.push(HostPattern::Below(parent.to_owned()));
        rest = parent;
    }
    wider.push(HostPattern::Any);
    wider.into_iter()
}

/// Every prefix that holds all paths of this one, itself first.
fn wider_paths(path: &PathPattern) -> impl Iterator<Item = Shape> {
    let text = match path {
        PathPattern::Exact(text) | PathPattern::Below(text) => text.as_str(),
        PathPattern::Regex(_) | PathPattern::Template(_) => "",
    };
    let mut wider = vec![Shape::of(path)];
    let mut rest = Some(text);
    while let Some(prefix) = rest {
        wider.push(Shape::of(&PathPattern::Below(prefix.to_owned())));
        rest = prefix.rfind('/').and_then(|slash| prefix.get(..slash));
    }
    wider.into_iter()
}

/// A path without the names of its captures.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Shape(PathPattern);

impl Shape {
    fn of(path: &PathPattern) -> Self {
        let PathPattern::Template(segments) = path else { return Self(path.clone()) };
        let nameless = |segment: &Segment| match segment {
            Segment::Text(text) => Segment::Text(text.clone()),
            Segment::One(_) => Segment::One(String::new()),
            Segment::Rest(_) => Segment::Rest(String::new()),
        };
        Self(PathPattern::Template(segments.iter().map(nameless).collect()))
    }
}
