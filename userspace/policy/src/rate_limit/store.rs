//! Where requests are counted: the seam at which a store that several hosts share stands beside the tables of this one.
use super::limit::Limit;
use crate::Now;
use weir_schema::policy::OnStoreError;

/// Where requests are counted.
///
/// Neither call may wait: policies never do. A store that lies on another host answers from what it has heard of it,
/// and says [`Uncounted`] once that is too old to go by.
pub trait Store: std::fmt::Debug + Send + Sync {
    /// Takes one request from what a key may have of the limit with this number.
    ///
    /// # Errors
    /// The store cannot be asked.
    fn take(&self, limit: usize, key: u64, now: Now) -> Result<Taken, Uncounted>;

    /// Gives back what was taken, because another limit refused the request.
    fn give_back(&self, limit: usize, key: u64, now: Now);
}

/// What a request found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// There was room for it.
    pub passed: bool,
    /// What is counted of its key now.
    pub state: u64,
}

/// A request could not be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request could not be counted")]
pub struct Uncounted;

/// The tables of this host: one for each limit of a policy.
#[derive(Debug)]
pub(super) struct Local {
    pub(super) limits: Vec<Limit>,
}

impl Store for Local {
    /// Without a place: the table is under such contention that others claim every one of a key's at this moment.
    fn take(&self, limit: usize, key: u64, now: Now) -> Result<Taken, Uncounted> {
        self.limits.get(limit).and_then(|limit| limit.take(key, now)).ok_or(Uncounted)
    }

    fn give_back(&self, limit: usize, key: u64, now: Now) {
        if let Some(limit) = self.limits.get(limit) {
            limit.give_back(key, now);
        }
    }
}

/// A store beside the tables of this host, and what happens when it does not answer.
#[derive(Debug)]
pub(super) struct Stores {
    pub(super) local: Local,
    pub(super) shared: Option<std::sync::Arc<dyn Store>>,
    pub(super) on_error: OnStoreError,
}

impl Stores {
    /// Counts in the shared store, if there is one; in the tables of this host if there is none, or if they are to
    /// stand in for it.
    pub(super) fn take(&self, limit: usize, key: u64, now: Now) -> Result<Taken, Uncounted> {
        let Some(shared) = &self.shared else { return self.local.take(limit, key, now) };
        match shared.take(limit, key, now) {
            Err(Uncounted) if self.on_error == OnStoreError::Local => self.local.take(limit, key, now),
            taken => taken,
        }
    }

    /// Gives back to all who may have counted.
    pub(super) fn give_back(&self, limit: usize, key: u64, now: Now) {
        if let Some(shared) = &self.shared {
            shared.give_back(limit, key, now);
        }
        if self.shared.is_none() || self.on_error == OnStoreError::Local {
            self.local.give_back(limit, key, now);
        }
    }
}
