//! How many further attempts are allowed: a part of the requests of the last ten seconds.
//!
//! When every target fails, retries multiply what the survivors must carry; the budget keeps that factor small (B46).
use std::cell::{Cell, RefCell};

/// Seconds that are looked back.
const SECONDS: usize = 10;
/// Attempts that are always allowed in that time, by each worker: a quiet upstream must be able to try again at all.
const FREE: u32 = 10;

/// Requests and retries of one worker to one upstream, second by second.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    seconds: RefCell<[(u32, u32); SECONDS]>,
    at: Cell<u64>,
}

impl Budget {
    /// Counts a request.
    pub(crate) fn request(&self, now_ms: u64) {
        self.turn(now_ms);
        if let Some((requests, _)) = self.seconds.borrow_mut().get_mut(self.slot()) {
            *requests = requests.saturating_add(1);
        }
    }

    /// Whether one more attempt fits into the share.
    pub(crate) fn allows(&self, now_ms: u64, share: f64) -> bool {
        self.turn(now_ms);
        let seconds = self.seconds.borrow();
        let sum = |(requests, retries): (u32, u32), one: &(u32, u32)| {
            (requests.saturating_add(one.0), retries.saturating_add(one.1))
        };
        let (requests, retries) = seconds.iter().fold((0, 0), sum);
        retries < FREE || f64::from(retries) < f64::from(requests) * share
    }

    /// Takes one attempt off the budget, if it fits.
    pub(crate) fn retry(&self, now_ms: u64, share: f64) -> bool {
        let allowed = self.allows(now_ms, share);
        if let (true, Some((_, retries))) = (allowed, self.seconds.borrow_mut().get_mut(self.slot())) {
            *retries = retries.saturating_add(1);
        }
        allowed
    }

    fn slot(&self) -> usize {
        usize::try_from(self.at.get() % SECONDS as u64).unwrap_or(0)
    }

    /// Forgets the seconds that are over.
    fn turn(&self, now_ms: u64) {
        let now = now_ms / 1000;
        let gone = now.saturating_sub(self.at.get()).min(SECONDS as u64);
        for _ in 0..gone {
            self.at.set(self.at.get() + 1);
            if let Some(second) = self.seconds.borrow_mut().get_mut(self.slot()) {
                *second = (0, 0);
            }
        }
        self.at.set(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b46_retries_stay_a_part_of_the_requests() {
        let budget = Budget::default();
        let allowed = (0..1_000).filter(|_| {
            budget.request(5_000);
            budget.retry(5_000, 0.2)
        });
        assert!((200..=210).contains(&allowed.count()));
        assert!(!budget.allows(9_000, 0.2), "the seconds before still count");
        assert!(budget.allows(15_000, 0.2), "ten seconds later they do not");
        let free = (0..100).filter(|_| budget.retry(15_000, 0.2)).count();
        assert_eq!(free, FREE as usize, "without traffic there is a small number");
    }

    #[test]
    fn time_may_stand_still_or_leap() {
        let budget = Budget::default();
        for now in [0, 0, 3_000, 1_000_000_000, 1_000_000_000] {
            budget.request(now);
            assert!(budget.retry(now, 1.0));
        }
    }
}
