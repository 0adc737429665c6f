//! The workers of one program as each sees the others: the kernel gives a connection to the core on which its packets
//! arrive, and a worker that has clearly more than another passes it on.
use crate::worker::Helm;
use std::sync::{Arc, OnceLock};
use weir_reactor::Balance;

/// All workers.
pub struct Team {
    balance: Balance,
    helms: Vec<OnceLock<Helm>>,
}

/// One worker's place among them.
#[derive(Clone)]
pub struct Place {
    team: Arc<Team>,
    at: usize,
}

impl Team {
    /// Places for so many workers.
    #[must_use]
    pub fn places(workers: usize) -> Vec<Place> {
        let helms = (0..workers).map(|_| OnceLock::new()).collect();
        let team = Arc::new(Team { balance: Balance::new(workers), helms });
        (0..workers).map(|at| Place { team: Arc::clone(&team), at }).collect()
    }
}

impl Place {
    /// How many workers there are.
    pub(crate) fn workers(&self) -> u32 {
        u32::try_from(self.team.helms.len()).unwrap_or(u32::MAX).max(1)
    }

    /// From now on the others may pass connections to this worker.
    pub(crate) fn join(&self, helm: Helm) {
        if let Some(place) = self.team.helms.get(self.at) {
            // A worker joins once, so nothing is lost.
            drop(place.set(helm));
        }
    }

    /// Tells the others how many connections this worker has.
    pub(crate) fn tell(&self, open: u32) {
        self.team.balance.tell(self.at, open);
    }

    /// Who should take a fresh connection instead of this worker. It is counted as taken.
    pub(crate) fn other(&self) -> Option<&Helm> {
        let to = self.team.balance.pick(self.at);
        let other = self.team.helms.get(to).filter(|_| to != self.at)?.get();
        self.team.balance.expect(to);
        other
    }
}
