//! One broken rule at one place.

use std::fmt;

/// What is wrong, where, and what to do about it.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) place: Place,
    pub(super) what: String,
}

/// A file, and a line of it counted from one; zero stands for the whole file.
#[derive(Debug)]
pub(super) struct Place {
    path: String,
    line: usize,
}

impl Finding {
    pub(super) fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { place: Place { path: path.to_owned(), line }, what: what.into() }
    }
}

impl Place {
    pub(super) fn is(&self, path: &str, line: usize) -> bool {
        self.path == path && self.line == line
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(out, "{}", self.path),
            line => write!(out, "{}:{line}", self.path),
        }
    }
}

/// For tests: the findings of a rule as `path:line`.
#[cfg(test)]
pub(super) fn places(rule: &super::Rule, files: &[(&str, &str)]) -> Vec<String> {
    (rule.check)(&super::Tree::of(files)).iter().map(|finding| finding.place.to_string()).collect()
}
