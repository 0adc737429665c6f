//! The keys that issuers publish: fetched by the control thread, handed to the verifiers that workers use.
//!
//! Whatever is at fault, a token is refused rather than believed: keys are replaced by good ones only, old ones are kept
//! while an issuer cannot be reached, and a flood of tokens with unknown keys causes one fetch a minute.
mod issuer;
mod pace;
mod store;

pub use pace::Pace;

use crate::fetch::Fetcher;
use issuer::Issuer;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use tokio::task::AbortHandle;
use weir_policy::jwt::{Source, Verifier};

/// Every issuer whose keys are fetched.
pub struct Keyring {
    fetcher: Rc<Fetcher>,
    pace: Pace,
    store: Option<Rc<Store>>,
    issuers: RefCell<BTreeMap<Source, Watched>>,
}

/// An issuer and the task that fetches for it, which ends with this.
struct Watched {
    issuer: Rc<Issuer>,
    task: AbortHandle,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One issuer, for whoever looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerView {
    /// The URL of its keys, or the issuer that they are discovered from.
    pub source: String,
    /// How many keys it has.
    pub keys: usize,
    /// How long ago they came; none if there are none.
    pub age: Option<Duration>,
    /// How often they were fetched, and how often that failed.
    pub fetches: (u64, u64),
    /// Why the last fetch failed; empty if it did not.
    pub complaint: String,
}

impl Keyring {
    /// A keyring without issuers. The last good keys are kept in `room`, if there is one.
    #[must_use]
    pub fn new(fetcher: Fetcher, pace: Pace, room: Option<PathBuf>) -> Keyring {
        let store = room.map(|room| Rc::new(Store::new(room)));
        Keyring { fetcher: Rc::new(fetcher), pace, store, issuers: RefCell::default() }
    }

    /// Serves the verifiers of a plan from now on, and no others. To be called before the plan is in force, so that
    /// rules that are written anew have the keys that are known.
    pub fn sync<'v>(&self, wanted: impl Iterator<Item = (&'v Arc<Verifier>, &'v Source)>) {
        let mut by_source: BTreeMap<Source, Vec<Arc<Verifier>>> = BTreeMap::new();
        for (verifier, source) in wanted.filter(|(_, source)| **source != Source::Fixed) {
            by_source.entry(source.clone()).or_default().push(Arc::clone(verifier));
        }
        let mut issuers = self.issuers.borrow_mut();
        issuers.retain(|source, _| by_source.contains_key(source));
        for (source, verifiers) in by_source {
            let watched = issuers.entry(source).or_insert_with_key(|source| self.watch(source));
            watched.issuer.serve(verifiers);
            let kept = self.store.as_ref().filter(|_| watched.issuer.keys().1.is_none());
            if let Some(store) = kept {
                watched.issuer.recall(store, &self.pace);
            }
        }
    }

    /// A token names a key that the verifier does not have. `answer` is called once it may have it, or will not: at the
    /// end of the fetch that this causes or that is under way, at once if there was one not long ago.
    pub fn ask(&self, verifier: &Arc<Verifier>, answer: Box<dyn FnOnce()>) {
        let issuers = self.issuers.borrow();
        match issuers.values().find(|watched| watched.issuer.serves(verifier)) {
            Some(watched) => watched.issuer.ask(answer, &self.pace),
            None => answer(),
        }
    }

    /// Every issuer as it is now.
    #[must_use]
    pub fn view(&self) -> Vec<IssuerView> {
        let view = |watched: &Watched| {
            let issuer = &watched.issuer;
            let (keys, age) = issuer.keys();
            IssuerView {
                source: issuer.name().to_owned(),
                keys,
                age,
                fetches: (issuer.fetched.get(), issuer.failed.get()),
                complaint: issuer.complaint(),
            }
        };
        self.issuers.borrow().values().map(view).collect()
    }

    fn watch(&self, source: &Source) -> Watched {
        let issuer = Rc::new(Issuer::new(source.clone()));
        let (own, fetcher, pace, store) =
            (Rc::clone(&issuer), Rc::clone(&self.fetcher), self.pace, self.store.clone());
        let fetching = async move { own.run(&fetcher, &pace, store.as_deref()).await };
        Watched { issuer, task: tokio::task::spawn_local(fetching).abort_handle() }
    }
}

#[cfg(test)]
mod tests;
