//! Which row of a worker's block belongs to which listener and route, kept across reloads.

use crate::exposition::write_labels;
use std::collections::HashMap;
use std::sync::Arc;

/// The row of a block in which a route's requests are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seat(pub(crate) usize);

impl Seat {
    /// Where requests are counted that have no row of their own: no route found, or the table is full.
    pub const OTHER: Seat = Seat(0);
}

/// Rows at most; further routes are counted together under [`Seat::OTHER`].
pub(crate) const SEATS_MAX: usize = 4096;

/// Names that are remembered, of routes with a row and of those without: reloads that rename routes must not add up.
const NAMES_MAX: usize = 1 << 18;

/// Gives every listener and route its row, and the same row again after a reload.
#[derive(Debug)]
pub struct Directory {
    /// The labels of each row, as they stand between braces.
    rows: Vec<Arc<str>>,
    by_name: HashMap<(String, String), Seat>,
    lost: usize,
}

impl Default for Directory {
    fn default() -> Self {
        Self { rows: vec![labels("other", "other")], by_name: HashMap::new(), lost: 0 }
    }
}

impl Directory {
    /// The row of this listener and route: the one it had before, or a new one.
    pub fn seat(&mut self, listener: &str, route: &str) -> Seat {
        let key = (listener.to_owned(), route.to_owned());
        if let Some(seat) = self.by_name.get(&key) {
            return *seat;
        }
        let seat = if self.rows.len() < SEATS_MAX {
            self.rows.push(labels(listener, route));
            Seat(self.rows.len() - 1)
        } else {
            self.lost += 1;
            Seat::OTHER
        };
        if self.by_name.len() < NAMES_MAX {
            self.by_name.insert(key, seat);
        }
        seat
    }

    /// The rows as they are now, for a scrape that takes its time: whoever gives out rows does not wait for it.
    pub fn rows(&self) -> Rows {
        Rows { labels: self.rows.clone(), lost: self.lost }
    }
}

/// The rows of a directory.
#[derive(Clone, Debug)]
pub struct Rows {
    labels: Vec<Arc<str>>,
    lost: usize,
}

impl Rows {
    /// Listeners' routes that found no row of their own.
    pub(crate) fn lost(&self) -> usize {
        self.lost
    }

    /// Every row with its labels, as they stand between braces.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Seat, &str)> {
        self.labels.iter().enumerate().map(|(at, labels)| (Seat(at), &**labels))
    }
}

fn labels(listener: &str, route: &str) -> Arc<str> {
    let mut text = Vec::new();
    write_labels(&[("listener", listener), ("route", route)], &mut text);
    String::from_utf8_lossy(&text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_keeps_its_row_and_the_table_ends() {
        let mut directory = Directory::default();
        let first = directory.seat("edge", "orders");
        assert_ne!(first, Seat::OTHER);
        assert_eq!(directory.seat("edge", "orders"), first);
        assert_ne!(directory.seat("edge", "users"), first);
        for n in 0..SEATS_MAX {
            directory.seat("edge", &format!("r{n}"));
        }
        assert_eq!(directory.seat("edge", "one too many"), Seat::OTHER);
        assert_eq!(directory.rows().iter().count(), SEATS_MAX);
        let lost = directory.rows().lost();
        directory.seat("edge", "one too many");
        assert_eq!(directory.rows().lost(), lost, "asked again, it is the same one");
    }
}
