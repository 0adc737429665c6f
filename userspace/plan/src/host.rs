//! Values by host name: the exact name before the longest `*.` suffix before any.

use std::collections::HashMap;

use weir_schema::value::HostPattern;

use crate::hash::Stable;

/// Values by host pattern. A look-up costs one probe for each label, however many patterns there are.
#[derive(Clone, Debug)]
pub struct HostMap<T> {
    exact: HashMap<Box<str>, T, Stable>,
    /// `example.com` for `*.example.com`.
    below: HashMap<Box<str>, T, Stable>,
    any: Option<T>,
}

impl<T> Default for HostMap<T> {
    fn default() -> Self {
        Self { exact: HashMap::default(), below: HashMap::default(), any: None }
    }
}

impl<T> HostMap<T> {
    /// The value under a pattern, made now if there is none yet.
    pub fn entry(&mut self, pattern: &HostPattern, make: impl FnOnce() -> T) -> &mut T {
        match pattern {
            HostPattern::Exact(name) => self.exact.entry(name.as_str().into()).or_insert_with(make),
            HostPattern::Below(name) => self.below.entry(name.as_str().into()).or_insert_with(make),
            HostPattern::Any => self.any.get_or_insert_with(make),
        }
    }

    /// The value of the most exact pattern that holds this name, which is in lower case and without a final dot.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&T> {
        self.each(name).next()
    }

    /// The values of all patterns that hold this name, the most exact first.
    pub fn each(&self, name: &str) -> impl Iterator<Item = &T> {
        let exact = if self.exact.is_empty() { None } else { self.exact.get(name) };
        let name = if self.below.is_empty() { "" } else { name };
        let parents = std::iter::successors(parent(name), |suffix| parent(suffix));
        exact.into_iter().chain(parents.filter_map(|suffix| self.below.get(suffix))).chain(&self.any)
    }

    /// Nothing was put in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.below.is_empty() && self.any.is_none()
    }
}

fn parent(name: &str) -> Option<&str> {
    name.split_once('.').map(|(_, parent)| parent)
}

/// The pattern holds this name, which is in lower case and without a final dot.
#[must_use]
pub fn holds(pattern: &HostPattern, name: &str) -> bool {
    match pattern {
        HostPattern::Exact(exact) => exact == name,
        HostPattern::Below(parent) => {
            name.strip_suffix(parent.as_str()).is_some_and(|label| label.len() > 1 && label.ends_with('.'))
        }
        HostPattern::Any => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_schema::value::Leaf;

    const PATTERNS: [&str; 5] = ["api.example.com", "*.example.com", "*.eu.example.com", "*.com", "*"];

    fn pattern(text: &str) -> HostPattern {
        HostPattern::parse(text).unwrap()
    }

    #[test]
    fn exact_before_the_longest_suffix_before_any() {
        let mut map = HostMap::default();
        for text in PATTERNS {
            map.entry(&pattern(text), || text);
        }
        let check = |name: &str, expect: &[&str]| {
            assert_eq!(map.each(name).copied().collect::<Vec<_>>(), expect, "{name}");
            assert_eq!(map.find(name), expect.first());
        };
        check("api.example.com", &["api.example.com", "*.example.com", "*.com", "*"]);
        check("a.b.eu.example.com", &["*.eu.example.com", "*.example.com", "*.com", "*"]);
        check("eu.example.com", &["*.example.com", "*.com", "*"]);
        check("example.com", &["*.com", "*"]);
        check("com", &["*"]);
        check("", &["*"]);
    }

    #[test]
    fn the_map_agrees_with_the_patterns_one_by_one() {
        let mut map = HostMap::default();
        for text in PATTERNS {
            map.entry(&pattern(text), || text);
        }
        for name in
            ["api.example.com", "xapi.example.com", "eu.example.com", "a.eu.example.com", "com", "", ".com"]
        {
            let mut found = map.each(name).copied().collect::<Vec<_>>();
            found.sort_unstable();
            let mut expect: Vec<_> =
                PATTERNS.into_iter().filter(|text| holds(&pattern(text), name)).collect();
            expect.sort_unstable();
            if name != ".com" {
                assert_eq!(found, expect, "{name}");
            }
        }
    }
}
