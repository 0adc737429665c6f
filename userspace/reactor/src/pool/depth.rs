//! How many buffers the kernel is given at a time: few, unless that was too few a moment ago.

/// What a turn draws, mostly. All of them take their turn, so that more would only push each other out of the cache.
const DEPTH: u16 = 16;
/// The ring is drawn in turn, so that all of it is memory that is used, whatever came in one burst.
const DEPTH_MAX: u16 = 256;

/// The depth of a ring that is topped up every turn.
#[derive(Clone, Copy)]
pub(super) struct Depth {
    wanted: u16,
    /// The fewest that were left when it was topped up since it last settled.
    left_min: u16,
}

impl Depth {
    /// For a pool of so many buffers.
    pub(super) fn new(buffers: u16) -> Depth {
        Depth { wanted: DEPTH.min(buffers.div_ceil(2)), left_min: u16::MAX }
    }

    pub(super) fn wanted(self) -> u16 {
        self.wanted
    }

    /// So many are left in the ring.
    #[inline]
    pub(super) fn note_left(&mut self, left: u16) {
        self.left_min = self.left_min.min(left);
    }

    /// It ran dry. Half of the `most` that may be used is the end, because one stream's burst can take all that lies in
    /// the ring.
    pub(super) fn deepen(&mut self, most: u16) {
        self.wanted = self.wanted.saturating_mul(2).min(DEPTH_MAX).min(most.div_ceil(2));
        self.left_min = 0;
    }

    /// No more than so many may be used from now on.
    pub(super) fn limit(&mut self, most: u16) {
        self.wanted = self.wanted.min(most.div_ceil(2));
    }

    /// A ring of which half was never drawn since this was last called is twice as deep as it has to be.
    pub(super) fn settle(&mut self) {
        if self.left_min > self.wanted / 2 && self.wanted >= 2 * DEPTH {
            self.wanted /= 2;
        }
        self.left_min = u16::MAX;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_burst_makes_it_deeper_than_it_may_be() {
        let mut depth = Depth::new(4096);
        (0..20).for_each(|_| depth.deepen(4096));
        assert_eq!(depth.wanted(), DEPTH_MAX);
        depth.limit(100);
        assert_eq!(depth.wanted(), 50);
        (0..20).for_each(|_| depth.deepen(100));
        assert_eq!(depth.wanted(), 50);
    }

    #[test]
    fn it_settles_step_by_step_and_never_below_what_a_turn_draws() {
        let mut depth = Depth::new(4096);
        (0..3).for_each(|_| depth.deepen(4096));
        let wanted = [0, 128, 65, 64, 32, 16].map(|left| {
            depth.note_left(left);
            depth.settle();
            depth.wanted()
        });
        assert_eq!(wanted, [128, 64, 32, 16, 16, 16]);
    }
}
