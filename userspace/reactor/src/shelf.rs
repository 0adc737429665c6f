//! A list that grows row by row: nothing in it moves, and the rows at its end are given back.

/// How many of a kind stand in a row: so many that a row has memory of its own. A small one would lie among what is needed
/// for a moment only, and keep all of that from being given back. What of a row is not used yet is not touched.
const ROW: usize = 1024;

/// A list of which no copy is made when it grows, as one is of a vector, whose old memory stays behind in parts.
pub struct Shelf<T> {
    rows: Vec<Vec<T>>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Shelf<T> {
        Shelf::new()
    }
}

impl<T> Shelf<T> {
    /// Nothing stands in it.
    #[must_use]
    pub const fn new() -> Shelf<T> {
        Shelf { rows: Vec::new() }
    }

    /// How many there are. All rows but the last are full.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.last().map_or(0, |last| (self.rows.len() - 1) * ROW + last.len())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The one at this place.
    #[inline]
    #[must_use]
    pub fn find(&self, at: usize) -> Option<&T> {
        self.rows.get(at / ROW)?.get(at % ROW)
    }

    /// The one at this place, to be changed.
    #[inline]
    #[must_use]
    pub fn find_mut(&mut self, at: usize) -> Option<&mut T> {
        self.rows.get_mut(at / ROW)?.get_mut(at % ROW)
    }

    /// Puts one behind the others.
    pub fn push(&mut self, one: T) {
        if let Some(last) = self.rows.last_mut().filter(|last| last.len() < ROW) {
            return last.push(one);
        }
        let mut row = Vec::with_capacity(ROW);
        row.push(one);
        self.rows.push(row);
    }

    /// Lets go of all behind the first so many.
    pub fn truncate(&mut self, len: usize) {
        self.rows.truncate(len.div_ceil(ROW));
        if self.len() > len
            && let Some(last) = self.rows.last_mut()
        {
            last.truncate((len - 1) % ROW + 1);
        }
    }

    /// All of them in their order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.rows.iter().flatten()
    }

    /// All from one place to another, to be changed.
    pub fn range_mut(&mut self, range: std::ops::Range<usize>) -> impl Iterator<Item = (usize, &mut T)> {
        let first = range.start / ROW;
        let rows = self.rows.iter_mut().enumerate().skip(first);
        rows.flat_map(|(row, items)| {
            items.iter_mut().enumerate().map(move |(at, item)| (row * ROW + at, item))
        })
        .skip_while(move |(at, _)| *at < range.start)
        .take_while(move |(at, _)| *at < range.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_like_a_vector() {
        let (mut shelf, mut vector) = (Shelf::new(), Vec::new());
        for number in 0..3000 {
            assert_eq!((shelf.len(), shelf.is_empty()), (vector.len(), vector.is_empty()));
            shelf.push(number);
            vector.push(number);
        }
        for at in [0, 1, ROW - 1, ROW, ROW + 1, 2999, 3000, 3001, usize::MAX] {
            assert_eq!(shelf.find(at), vector.get(at));
            assert_eq!(shelf.find_mut(at), vector.get_mut(at));
        }
        for range in [0..0, 0..1, ROW - 4..ROW + 6, ROW..2 * ROW, 2990..4000, 3000..3001, 0..usize::MAX] {
            let expect = vector.iter().copied().enumerate().filter(|(at, _)| range.contains(at));
            assert!(shelf.range_mut(range.clone()).map(|(at, item)| (at, *item)).eq(expect), "{range:?}");
        }
        for len in [3001, 3000, 2999, 2 * ROW + 1, 2 * ROW, 2 * ROW - 1, ROW + 1, ROW, ROW - 1, 1, 0, 5] {
            shelf.truncate(len);
            vector.truncate(len);
            assert!(shelf.iter().eq(&vector) && shelf.len() == vector.len(), "{len}");
            assert!(shelf.iter().rev().eq(vector.iter().rev()));
        }
    }
}
