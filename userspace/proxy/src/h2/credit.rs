//! What a peer may use up that costs us work and brings nothing forward.

/// Something that is used up and comes back.
pub(super) struct Credit {
    left: u64,
    max: u64,
}

impl Credit {
    pub(super) fn new(max: u64) -> Credit {
        Credit { left: max, max }
    }

    /// False if there is not as much left.
    pub(super) fn spend(&mut self, cost: u64) -> bool {
        let left = self.left.checked_sub(cost);
        self.left = left.unwrap_or(0);
        left.is_some()
    }

    pub(super) fn earn(&mut self, worth: u64) {
        self.left = self.left.saturating_add(worth).min(self.max);
    }
}
