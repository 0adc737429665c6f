//! The streams of one connection, by their number and by their place in memory.
use super::strand::Strand;
use weir_message::Method;

/// All streams that an exchange holds. Places are used again, so that requests allocate nothing.
#[derive(Default)]
pub(super) struct Strands {
    places: Vec<Strand>,
    free: Vec<usize>,
    /// Numbers with their places; numbers only grow, so the list is in order.
    open: Vec<(u32, usize)>,
}

impl Strands {
    /// Gives a new stream a place.
    pub(super) fn begin(&mut self, id: u32, method: Method, window: u32) -> usize {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(Strand::default());
            self.places.len() - 1
        });
        if let Some(strand) = self.places.get_mut(place) {
            strand.begin(id, method, window);
        }
        self.open.push((id, place));
        place
    }

    pub(super) fn at(&mut self, place: usize) -> Option<&mut Strand> {
        self.places.get_mut(place)
    }

    /// The stream of that number, unless nobody holds it any more.
    pub(super) fn find(&mut self, id: u32) -> Option<&mut Strand> {
        let at = self.open.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        let (_, place) = self.open.get(at)?;
        self.places.get_mut(*place)
    }

    /// Forgets a stream.
    pub(super) fn release(&mut self, place: usize) {
        if let Some(at) = self.open.iter().position(|(_, known)| *known == place) {
            self.open.remove(at);
            self.free.push(place);
        }
    }

    /// Does something with each stream.
    pub(super) fn for_each(&mut self, mut each: impl FnMut(&mut Strand)) {
        for (_, place) in &self.open {
            self.places.get_mut(*place).into_iter().for_each(&mut each);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_found_by_number_and_their_places_used_again() {
        let mut strands = Strands::default();
        let places: Vec<usize> = [1, 3, 5].map(|id| strands.begin(id, Method::Get, 9)).into();
        assert_eq!(strands.find(3).map(|strand| strand.id), Some(3));
        strands.release(places[1]);
        assert!(strands.find(3).is_none());
        assert_eq!(strands.begin(7, Method::Get, 9), places[1]);
        let mut open = Vec::new();
        strands.for_each(|strand| open.push(strand.id));
        assert_eq!(open, [1, 5, 7]);
        assert_eq!(strands.find(7).map(|strand| strand.id), Some(7));
        assert!(strands.find(4).is_none());
    }
}
