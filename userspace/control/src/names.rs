//! The addresses that the names of upstreams have now, for whoever must know all of them beforehand.
//!
//! Workers look names up for themselves when they connect; this is about what may be connected to.
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use weir_plan::Plan;
use weir_plan::upstream::Address;

/// How often every name is looked up.
const EVERY: Duration = Duration::from_secs(30);
/// How long one answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an address still counts that the name has lost: workers and connections may know it.
const LINGER: Duration = Duration::from_secs(300);
/// Addresses of one name that count; the rest of a longer answer is left out.
const ADDRESSES_MAX: usize = 64;

/// Every name that a plan connects to.
pub struct Names {
    board: Rc<Board>,
    task: RefCell<Option<AbortHandle>>,
}

#[derive(Default)]
struct Board {
    known: RefCell<BTreeMap<Arc<str>, Known>>,
    /// There is something that was not told yet.
    is_new: Cell<bool>,
    wake: Notify,
}

/// The addresses of a name, and when each was last among its answers.
#[derive(Default)]
struct Known(BTreeMap<IpAddr, Instant>);

impl Known {
    /// Takes an answer in, and says whether anything is different.
    fn answer(&mut self, found: impl Iterator<Item = IpAddr>, now: Instant) -> bool {
        let before: BTreeSet<IpAddr> = self.0.keys().copied().collect();
        for address in found.take(ADDRESSES_MAX) {
            self.0.insert(address.to_canonical(), now);
        }
        self.0.retain(|_, seen| now.saturating_duration_since(*seen) < LINGER);
        !self.0.keys().eq(before.iter())
    }
}

impl Names {
    /// No names yet.
    #[must_use]
    pub fn new() -> Self {
        Self { board: Rc::default(), task: RefCell::new(None) }
    }

    /// Looks up what a plan names, at once and from then on, and nothing else.
    pub fn sync(&self, plan: &Plan) {
        let targets = plan.upstreams.iter().flat_map(|upstream| &upstream.targets);
        let wanted: BTreeSet<&Arc<str>> = targets
            .filter_map(|target| match &target.address {
                Address::Name(name, _) => Some(name),
                Address::Ip(_) | Address::Unix(_) => None,
            })
            .collect();
        let mut known = self.board.known.borrow_mut();
        let before = known.len();
        known.retain(|name, _| wanted.contains(name));
        if known.len() < before {
            self.board.is_new.set(true);
        }
        for name in wanted {
            known.entry(Arc::clone(name)).or_default();
        }
        if known.is_empty() {
            return;
        }
        self.board.wake.notify_one();
        self.task
            .borrow_mut()
            .get_or_insert_with(|| tokio::task::spawn_local(look(Rc::clone(&self.board))).abort_handle());
    }

    /// Every address that a name has or had a while ago, if that is not what was told last.
    #[must_use]
    pub fn news(&self) -> Option<BTreeSet<IpAddr>> {
        let all = || self.board.known.borrow().values().flat_map(|known| known.0.keys().copied()).collect();
        self.board.is_new.replace(false).then(all)
    }
}

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

/// Looks all names up for ever, one after the other. A failure leaves what is known.
async fn look(board: Rc<Board>) {
    loop {
        let names: Vec<Arc<str>> = board.known.borrow().keys().cloned().collect();
        for name in names {
            match find(&name).await {
                Ok(found) => {
                    let mut known = board.known.borrow_mut();
                    // The plan may have lost the name meanwhile.
                    let different = known.get_mut(&name).is_some_and(|one| one.answer(found, Instant::now()));
                    board.is_new.set(board.is_new.get() | different);
                }
                Err(error) => tracing::debug!(%name, "cannot be looked up: {error}"),
            }
        }
        // Woken earlier by another plan.
        let _is_early = tokio::time::timeout(EVERY, board.wake.notified()).await;
    }
}

async fn find(name: &str) -> io::Result<impl Iterator<Item = IpAddr>> {
    let found = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((name, 0))).await;
    Ok(found.map_err(|_| io::ErrorKind::TimedOut)??.map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(known: &mut Known, addresses: &[[u8; 4]], now: Instant) -> bool {
        known.answer(addresses.iter().copied().map(IpAddr::from), now)
    }

    #[test]
    fn what_a_name_has_lost_lingers_for_a_while() {
        let (mut known, start) = (Known::default(), Instant::now());
        assert!(answers(&mut known, &[[192, 0, 2, 1], [192, 0, 2, 2]], start));
        assert!(!answers(&mut known, &[[192, 0, 2, 2], [192, 0, 2, 1]], start));
        assert!(!answers(&mut known, &[[192, 0, 2, 1]], start + LINGER / 2), "it lingers");
        assert!(answers(&mut known, &[[192, 0, 2, 1]], start + LINGER));
        assert_eq!(known.0.len(), 1);
        assert!(answers(&mut known, &[[192, 0, 2, 3]], start + LINGER), "a new one counts at once");
    }

    #[test]
    fn a_long_answer_is_cut() {
        let mut known = Known::default();
        let many = (0..=255).map(|last| IpAddr::from([192, 0, 2, last]));
        assert!(known.answer(many, Instant::now()));
        assert_eq!(known.0.len(), ADDRESSES_MAX);
    }
}
