//! The workers of one program as each sees the others: the kernel gives a connection to the core on which its packets
//! arrive, and a worker that has clearly more than another passes it on.
use crate::worker::Helm;
use arc_swap::ArcSwapOption;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use weir_reactor::Balance;

/// All workers.
pub struct Team {
    balance: Balance,
    helms: Vec<ArcSwapOption<Helm>>,
    present: AtomicU32,
}

/// One worker's place among them. It may be empty, and taken again.
#[derive(Clone)]
pub struct Place {
    team: Arc<Team>,
    at: usize,
}

/// No connection is passed on to a place with so much to do: nobody is there.
const NOBODY: u32 = u32::MAX / 2;

impl Team {
    /// Places for so many workers at most, all of them empty.
    #[must_use]
    pub fn places(workers: usize) -> Vec<Place> {
        let helms = (0..workers).map(|_| ArcSwapOption::empty()).collect();
        let team = Arc::new(Team { balance: Balance::new(workers), helms, present: AtomicU32::default() });
        (0..workers).for_each(|at| team.balance.tell(at, NOBODY));
        (0..workers).for_each(|at| team.balance.tell_busy(at, NOBODY));
        (0..workers).map(|at| Place { team: Arc::clone(&team), at }).collect()
    }
}

impl Place {
    /// How many workers there are.
    pub(crate) fn workers(&self) -> u32 {
        self.team.present.load(Relaxed).max(1)
    }

    /// From now on the others may pass connections to this worker.
    pub fn join(&self, helm: Helm) {
        let Some(place) = self.team.helms.get(self.at) else { return };
        if place.swap(Some(Arc::new(helm))).is_none() {
            self.team.present.fetch_add(1, Relaxed);
            self.team.balance.tell(self.at, 0);
            self.team.balance.tell_busy(self.at, 0);
        }
    }

    /// From now on the others pass no connection to this worker any more.
    pub fn leave(&self) {
        let Some(place) = self.team.helms.get(self.at) else { return };
        if place.swap(None).is_some() {
            self.team.present.fetch_sub(1, Relaxed);
            self.team.balance.tell(self.at, NOBODY);
            self.team.balance.tell_busy(self.at, NOBODY);
        }
    }

    /// Tells the others how many connections this worker has.
    pub(crate) fn tell(&self, open: u32) {
        self.team.balance.tell(self.at, open);
    }

    /// Tells the others which share of its core this worker used of late, in thousandths.
    pub(crate) fn tell_busy(&self, thousandths: u32) {
        self.team.balance.tell_busy(self.at, thousandths);
    }

    /// Who should take a fresh connection instead of this worker. It is counted as taken.
    pub(crate) fn other(&self) -> Option<Arc<Helm>> {
        let to = self.team.balance.pick(self.at);
        // Whoever has just left may have told once more what it has.
        let other = self.team.helms.get(to).filter(|_| to != self.at)?.load_full()?;
        self.team.balance.expect(to);
        Some(other)
    }
}
