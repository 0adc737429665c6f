//! Numbered places, of which so many can be taken at once.
use std::ops::Range;
use weir_reactor::Shelf;

/// Places that are kept whether taken or not.
const SPARE_MIN: usize = 64;

/// Whatever is put into them is known by its number until it is taken out.
pub(crate) struct Places<T> {
    all: Shelf<Option<T>>,
    free: Vec<u32>,
    max: u32,
}

impl<T> Places<T> {
    /// No place is taken, and no more than `max` ever are.
    pub(crate) const fn new(max: u32) -> Places<T> {
        Places { all: Shelf::new(), free: Vec::new(), max }
    }

    /// Whatever lies in them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.all.iter().flatten()
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.all.len() - self.free.len()
    }

    /// How many there have been at once.
    pub(crate) fn reach(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.taken() >= self.max as usize
    }

    /// Puts something into a free place. Where there is none, it is given back.
    pub(crate) fn put(&mut self, one: T) -> Result<u32, T> {
        if self.is_full() {
            return Err(one);
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.all.push(None);
            u32::try_from(self.all.len() - 1).unwrap_or(u32::MAX)
        });
        match self.all.find_mut(number as usize) {
            Some(place) => *place = Some(one),
            None => return Err(one),
        }
        Ok(number)
    }

    pub(crate) fn find(&self, number: u32) -> Option<&T> {
        self.all.find(number as usize)?.as_ref()
    }

    /// Takes out what lies under a number.
    pub(crate) fn take(&mut self, number: u32) -> Option<T> {
        let one = self.all.find_mut(number as usize)?.take()?;
        self.free.push(number);
        Some(one)
    }

    /// Gives back the places that a crowd took, as far as none behind them is taken. From then on the first free one is
    /// taken first, so that the rest becomes free in time.
    pub(crate) fn trim(&mut self) {
        if self.all.len() < SPARE_MIN + 2 * self.taken() {
            return;
        }
        let free = self.all.iter().rev().take_while(|place| place.is_none()).count();
        let left = self.all.len() - free;
        self.all.truncate(left);
        self.free.retain(|number| (*number as usize) < left);
        self.free.sort_unstable_by(|one, other| other.cmp(one));
        self.free.shrink_to_fit();
    }

    /// Takes out what `wanted` is true of, among the numbers of the range.
    pub(crate) fn take_where(&mut self, range: Range<usize>, wanted: impl Fn(&T) -> bool) -> Vec<T> {
        let mut taken = Vec::new();
        for (number, place) in self.all.range_mut(range) {
            if place.as_ref().is_some_and(&wanted) {
                taken.extend(place.take());
                self.free.extend(u32::try_from(number));
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_taken_than_there_are_and_each_is_taken_anew() {
        let mut places = Places::new(2);
        assert_eq!([places.put('a'), places.put('b'), places.put('c')], [Ok(0), Ok(1), Err('c')]);
        assert!(places.is_full());
        assert_eq!([places.take(0), places.take(0), places.take(9)], [Some('a'), None, None]);
        assert_eq!([places.put('d'), places.put('e')], [Ok(0), Err('e')]);
        assert_eq!((places.find(0), places.find(9)), (Some(&'d'), None));
        assert_eq!(places.take_where(0..1, |_| true), ['d']);
        assert_eq!(places.take_where(0..9, |one| *one == 'x'), []);
        assert_eq!((places.taken(), places.reach()), (1, 2));
    }

    #[test]
    fn what_a_crowd_took_is_given_back() {
        let mut places = Places::new(1000);
        let numbers: Vec<u32> = (0..1000).map(|at| places.put(at).unwrap()).collect();
        places.trim();
        assert_eq!(places.reach(), 1000, "nothing is free yet");
        for number in numbers.iter().filter(|number| **number != 9) {
            assert!(places.take(*number).is_some());
        }
        places.trim();
        assert_eq!((places.taken(), places.reach(), places.find(9)), (1, 10, Some(&9)));
        assert_eq!((places.put(1), places.put(2)), (Ok(0), Ok(1)));
        assert!(places.find(500).is_none() && places.iter().eq([&1, &2, &9]));
    }
}
