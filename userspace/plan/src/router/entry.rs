//! One way to match a route: a host and a path out of its lists, and its place among all others.

use std::cmp::Ordering;
use std::cmp::Reverse;

use weir_schema::value::{HostPattern, PathPattern, Segment};

use super::Rule;
use super::tree::{Kind, Spot, Step};
use crate::id::RouteId;
use crate::pattern::Pattern;

/// One way to match a route.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The route.
    pub route: RouteId,
    /// The host.
    pub host: HostPattern,
    /// The path.
    pub path: PathPattern,
    pattern: Option<Box<Pattern>>,
    rank: Rank,
}

/// What decides which of two entries wins, in this order; the lesser wins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    priority: Reverse<i32>,
    host: (u8, Reverse<usize>),
    /// Exact, expression, or the kinds of all segments.
    path: (u8, Box<[u8]>),
    conditions: Reverse<usize>,
}

const ANY_PATH: PathPattern = PathPattern::Below(String::new());

/// Every entry of a rule with the place of its path in the rule's list.
pub(super) fn of_rule(route: RouteId, rule: &Rule) -> impl Iterator<Item = (usize, Result<Entry, String>)> {
    let hosts = if rule.hosts.is_empty() { vec![HostPattern::Any] } else { rule.hosts.clone() };
    let paths = if rule.paths.is_empty() { vec![ANY_PATH] } else { rule.paths.clone() };
    let conditions = rule.conditions.count();
    let priority = rule.priority;
    hosts.into_iter().flat_map(move |host| {
        let entries = paths.clone().into_iter().map(|path| {
            let pattern = match &path {
                PathPattern::Regex(text) => Some(Box::new(Pattern::new(text)?)),
                _ => None,
            };
            let rank = Rank {
                priority: Reverse(priority),
                host: host_rank(&host),
                path: path_rank(&path),
                conditions: Reverse(conditions),
            };
            Ok(Entry { route, host: host.clone(), path, pattern, rank })
        });
        entries.enumerate().collect::<Vec<_>>()
    })
}

fn host_rank(host: &HostPattern) -> (u8, Reverse<usize>) {
    match host {
        HostPattern::Exact(_) => (0, Reverse(0)),
        HostPattern::Below(parent) => (1, Reverse(parent.len())),
        HostPattern::Any => (2, Reverse(0)),
    }
}

fn path_rank(path: &PathPattern) -> (u8, Box<[u8]>) {
    const TEXT: u8 = 0;
    const ONE: u8 = 1;
    const REST: u8 = 2;
    const END: u8 = 3;
    const BELOW: u8 = 4;
    match path {
        PathPattern::Exact(_) => (0, Box::default()),
        PathPattern::Regex(_) => (1, Box::default()),
        PathPattern::Below(prefix) => {
            let text = prefix.split('/').skip(1).map(|_| TEXT);
            (2, text.chain([BELOW]).collect())
        }
        PathPattern::Template(segments) => {
            let kinds = segments.iter().map(|segment| match segment {
                Segment::Text(_) => TEXT,
                Segment::One(_) => ONE,
                Segment::Rest(_) => REST,
            });
            (2, kinds.chain([END]).collect())
        }
    }
}

impl Entry {
    /// Which of two wins, where both hold.
    pub(super) fn before(&self, other: &Self) -> Ordering {
        self.rank.cmp(&other.rank).then(self.route.cmp(&other.route))
    }

    /// A path that is an expression is found; any other was judged by its segments.
    pub(super) fn pattern_holds(&self, path: &str) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| pattern.is_in(path.as_bytes()))
    }

    /// The path of the entry holds this one. The router asks its tree instead; this is for telling why not.
    #[must_use]
    pub fn path_holds(&self, path: &str) -> bool {
        match &self.path {
            PathPattern::Exact(exact) => exact == path,
            PathPattern::Below(prefix) => {
                let rest = path.strip_prefix(prefix.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || prefix.is_empty())
            }
            PathPattern::Regex(_) => self.pattern_holds(path),
            PathPattern::Template(segments) => segments_hold(segments, path.strip_prefix('/')),
        }
    }

    /// Where the entry stands in the tree of its host.
    pub(super) fn spot<'s>(&'s self) -> Spot<'s> {
        let texts = |text: &'s str| text.split('/').skip(1).map(Step::Text).collect::<Vec<_>>();
        let (steps, kind) = match &self.path {
            PathPattern::Exact(path) => (texts(path), Kind::End),
            PathPattern::Below(prefix) => (texts(prefix), Kind::Below),
            PathPattern::Regex(_) => {
                let literal = self.pattern.as_ref().map_or("", |pattern| pattern.literal_segments());
                let steps = literal.split('/').filter(|_| !literal.is_empty()).map(Step::Text).collect();
                (steps, Kind::Below)
            }
            PathPattern::Template(segments) => {
                let kind = match segments.last() {
                    Some(Segment::Rest(_)) => Kind::Rest,
                    _ => Kind::End,
                };
                let step = |segment: &'s Segment| match segment {
                    Segment::Text(text) => Some(Step::Text(text)),
                    Segment::One(_) => Some(Step::One),
                    Segment::Rest(_) => None,
                };
                (segments.iter().filter_map(step).collect(), kind)
            }
        };
        Spot { steps, kind, is_plain: self.pattern.is_none() && self.rank.conditions == Reverse(0) }
    }

    /// What the captures of the path stand for in a path that this entry matched.
    pub fn captures<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let segments = match &self.path {
            PathPattern::Template(segments) => segments.as_slice(),
            _ => &[],
        };
        let mut rest = path.strip_prefix('/').unwrap_or(path);
        segments.iter().filter_map(move |segment| {
            let whole = rest;
            let (text, tail) = rest.split_once('/').unwrap_or((rest, ""));
            rest = tail;
            match segment {
                Segment::Text(_) => None,
                Segment::One(name) => Some((name.as_str(), text)),
                Segment::Rest(name) => Some((name.as_str(), whole)),
            }
        })
    }
}

/// What is left of a path, if anything is, consists of these segments.
fn segments_hold(segments: &[Segment], rest: Option<&str>) -> bool {
    let (Some((first, segments)), Some(rest)) = (segments.split_first(), rest) else {
        return segments.is_empty() && rest.is_none();
    };
    let (segment, tail) = match rest.split_once('/') {
        Some((segment, tail)) => (segment, Some(tail)),
        None => (rest, None),
    };
    match first {
        Segment::Text(text) => text == segment && segments_hold(segments, tail),
        Segment::One(_) => !segment.is_empty() && segments_hold(segments, tail),
        Segment::Rest(_) => !rest.is_empty(),
    }
}
