//! Things that are kept to be used again, and let go when nobody has needed them for a while: what a burst took does not
//! stay taken.

use std::cell::{Cell, RefCell};

/// So many are kept in any case.
const KEEP_MIN: usize = 4;

/// Up to so many things beyond those in use. The one put back last is taken first.
pub struct Spare<T> {
    items: RefCell<Vec<T>>,
    items_max: usize,
    /// How many were never needed since the last trimming.
    idle: Cell<usize>,
}

impl<T> Spare<T> {
    /// Room for so many.
    #[must_use]
    pub const fn new(items_max: usize) -> Spare<T> {
        Spare { items: RefCell::new(Vec::new()), items_max, idle: Cell::new(0) }
    }

    /// One of them, if there is one.
    pub fn take(&self) -> Option<T> {
        let mut items = self.items.borrow_mut();
        let item = items.pop();
        self.idle.set(self.idle.get().min(items.len()));
        item
    }

    /// Puts one back; it is dropped if there are enough.
    pub fn put(&self, item: T) {
        let mut items = self.items.borrow_mut();
        if items.len() < self.items_max {
            items.push(item);
        }
    }

    /// Lets those go that were not needed since this was last called, but for a few.
    pub fn trim(&self) {
        let mut items = self.items.borrow_mut();
        let idle = self.idle.get().saturating_sub(KEEP_MIN);
        let gone: Vec<T> = items.drain(..idle).collect();
        self.idle.set(items.len());
        drop(items);
        drop(gone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_needs_goes_and_what_is_needed_stays() {
        let spare = Spare::new(100);
        (0..110).for_each(|item| spare.put(item));
        spare.trim();
        assert_eq!(spare.items.borrow().len(), 100, "they have just come");
        let taken: Vec<_> = (0..40).map(|_| spare.take().unwrap()).collect();
        assert_eq!(taken.first(), Some(&99));
        taken.into_iter().for_each(|item| spare.put(item));
        spare.trim();
        assert_eq!(spare.items.borrow().len(), 40 + KEEP_MIN);
        spare.trim();
        assert_eq!(spare.items.borrow().len(), KEEP_MIN);
        spare.trim();
        assert_eq!(spare.items.borrow().len(), KEEP_MIN);
    }
}
