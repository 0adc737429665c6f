//! One place that keys come from, and the verifiers that use them.
use super::pace::Pace;
use super::store::Store;
use crate::fetch::{Fetched, Fetcher, Unfetched};
use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use weir_policy::jwt::json::{Document, Limits};
use weir_policy::jwt::{KeySet, Origin, Source, Verifier};

/// Questions that may wait for one fetch; what comes beyond is answered at once.
const WAITING_MAX: usize = 1024;
/// The largest discovery document.
const DISCOVERY_BYTES_MAX: usize = 64 * 1024;

/// Lets go on who waits for keys.
pub(crate) type Answer = Box<dyn FnOnce()>;

/// One place that keys come from.
pub(super) struct Issuer {
    source: Source,
    verifiers: RefCell<Vec<Arc<Verifier>>>,
    keys: RefCell<Option<Arc<KeySet>>>,
    /// When the keys that are used came.
    since: Cell<Option<Instant>>,
    wanted: Notify,
    fetching: Cell<bool>,
    asked: Cell<Option<Instant>>,
    waiting: RefCell<Vec<Answer>>,
    failures: Cell<u32>,
    /// How often keys were fetched, and how often that failed.
    pub(super) fetched: Cell<u64>,
    pub(super) failed: Cell<u64>,
    complaint: RefCell<String>,
}

impl Issuer {
    pub(super) fn new(source: Source) -> Issuer {
        Issuer {
            source,
            verifiers: RefCell::default(),
            keys: RefCell::default(),
            since: Cell::new(None),
            wanted: Notify::new(),
            fetching: Cell::new(true),
            asked: Cell::new(None),
            waiting: RefCell::default(),
            failures: Cell::new(0),
            fetched: Cell::new(0),
            failed: Cell::new(0),
            complaint: RefCell::default(),
        }
    }

    /// The URL or issuer, as written.
    pub(super) fn name(&self) -> &str {
        match &self.source {
            Source::Url(text) | Source::Discovery(text) => text,
            Source::Fixed => "",
        }
    }

    /// How many keys there are, and how long ago they came.
    pub(super) fn keys(&self) -> (usize, Option<Duration>) {
        let count = self.keys.borrow().as_ref().map_or(0, |keys| keys.keys().len());
        (count, self.since.get().map(|since| since.elapsed()))
    }

    /// Why the last fetch failed; empty if it did not.
    pub(super) fn complaint(&self) -> String {
        self.complaint.borrow().clone()
    }

    pub(super) fn serves(&self, verifier: &Arc<Verifier>) -> bool {
        self.verifiers.borrow().iter().any(|own| Arc::ptr_eq(own, verifier))
    }

    /// Serves these verifiers from now on. A new one gets the keys that are known.
    pub(super) fn serve(&self, verifiers: Vec<Arc<Verifier>>) {
        if let Some(keys) = &*self.keys.borrow() {
            for verifier in verifiers.iter().filter(|verifier| !self.serves(verifier)) {
                verifier.replace_keys(Arc::clone(keys));
            }
        }
        self.verifiers.replace(verifiers);
    }

    /// Takes the keys that were kept on disk, unless they are too old.
    pub(super) fn recall(&self, store: &Store, pace: &Pace) {
        let Some((document, age)) = store.find(self.name()).filter(|(_, age)| *age < pace.stale_max) else {
            return;
        };
        if let Ok(keys) = parse(&document) {
            tracing::info!(source = self.name(), age_s = age.as_secs(), "keys of the last run are used");
            self.install(keys, Instant::now().checked_sub(age));
        }
    }

    /// A token names a key that is not known. `answer` is called when it may be known, or will not be.
    pub(super) fn ask(&self, answer: Answer, pace: &Pace) {
        let now = Instant::now();
        let due = self.asked.get().is_none_or(|at| now.saturating_duration_since(at) >= pace.asked_every);
        let wait = self.fetching.get() || due;
        if !wait || self.waiting.borrow().len() >= WAITING_MAX {
            return answer();
        }
        self.waiting.borrow_mut().push(answer);
        if !self.fetching.get() {
            self.asked.set(Some(now));
            self.wanted.notify_one();
        }
    }

    /// Fetches for ever: when it is time, and when it is asked to.
    pub(super) async fn run(&self, fetcher: &Fetcher, pace: &Pace, store: Option<&Store>) {
        let random = RandomState::new();
        loop {
            self.fetching.set(true);
            let outcome = self.fetch(fetcher).await;
            let dice = u16::try_from(random.hash_one(Instant::now()) & 0xffff).unwrap_or(0);
            let wait = match outcome {
                Ok((keys, document, fresh)) => {
                    self.succeeded(keys, &document, store);
                    pace.after_success(fresh, dice)
                }
                Err(error) => {
                    self.did_fail(&error, pace);
                    pace.after_failures(self.failures.get(), dice)
                }
            };
            self.fetching.set(false);
            self.waiting.take().into_iter().for_each(|answer| answer());
            let _asked_or_due = tokio::time::timeout(wait, self.wanted.notified()).await;
        }
    }

    fn succeeded(&self, keys: KeySet, document: &[u8], store: Option<&Store>) {
        if self.failures.replace(0) > 0 || self.keys.borrow().is_none() {
            let (count, skipped) = (keys.keys().len(), keys.skipped());
            tracing::info!(source = self.name(), keys = count, skipped, "keys are fetched");
        }
        self.fetched.set(self.fetched.get() + 1);
        self.complaint.borrow_mut().clear();
        self.install(keys, Some(Instant::now()));
        if let Some(Err(error)) = store.map(|store| store.put(self.name(), document)) {
            tracing::warn!(source = self.name(), %error, "the keys cannot be kept for the next start");
        }
    }

    /// Old keys stay in use while new ones cannot be had, up to a limit.
    fn did_fail(&self, error: &Unfetched, pace: &Pace) {
        self.failures.set(self.failures.get().saturating_add(1));
        self.failed.set(self.failed.get() + 1);
        *self.complaint.borrow_mut() = error.to_string();
        let kept = self.keys.borrow().is_some();
        tracing::warn!(
            source = self.name(),
            failures = self.failures.get(),
            kept,
            "keys cannot be fetched: {error}"
        );
        let stale = self.since.get().is_some_and(|since| since.elapsed() >= pace.stale_max);
        if stale {
            tracing::error!(
                source = self.name(),
                "the keys are too old to be believed; its tokens are refused"
            );
            self.install(KeySet::new(Vec::new()), None);
            self.keys.replace(None);
        }
    }

    fn install(&self, keys: KeySet, since: Option<Instant>) {
        let keys = Arc::new(keys);
        for verifier in &*self.verifiers.borrow() {
            verifier.replace_keys(Arc::clone(&keys));
        }
        self.keys.replace(Some(keys));
        self.since.set(since);
    }

    async fn fetch(&self, fetcher: &Fetcher) -> Result<(KeySet, Vec<u8>, Option<Duration>), Unfetched> {
        let url = match &self.source {
            Source::Discovery(issuer) => discover(issuer, fetcher).await?,
            _ => self.name().to_owned(),
        };
        let Fetched { body, fresh } = fetcher.get(&url, KeySet::BYTES_MAX).await?;
        Ok((parse(&body)?, body, fresh))
    }
}

/// An issuer that publishes nothing usable has made a mistake; the keys before are the better ones.
fn parse(document: &[u8]) -> Result<KeySet, Unfetched> {
    let unusable = |why: String| Unfetched::Content(format!("the document is no usable set of keys: {why}"));
    let keys = KeySet::parse(document, Origin::Fetched).map_err(|error| unusable(error.to_string()))?;
    if keys.keys().is_empty() {
        return Err(unusable(format!("none of its {} keys is for verifying tokens", keys.skipped())));
    }
    Ok(keys)
}

/// OpenID Connect Discovery 1.0, sections 4.1 and 4.3: where the issuer's own document says that its keys are.
async fn discover(issuer: &str, fetcher: &Fetcher) -> Result<String, Unfetched> {
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let wrong = |why: &str| Unfetched::Content(format!("{url}: {why}"));
    let Fetched { body, .. } = fetcher.get(&url, DISCOVERY_BYTES_MAX).await?;
    let document = Document::parse(body, Limits::KEYS).ok_or_else(|| wrong("not a JSON document"))?;
    let text = |name: &[u8]| document.root().member(name).and_then(|value| value.text());
    if text(b"issuer") != Some(issuer.as_bytes()) {
        return Err(wrong("its `issuer` is not the one that was asked"));
    }
    let keys = text(b"jwks_uri").and_then(|uri| std::str::from_utf8(uri).ok());
    let keys = keys.ok_or_else(|| wrong("it has no `jwks_uri`"))?;
    if issuer.starts_with("https://") && !keys.starts_with("https://") {
        return Err(wrong("its `jwks_uri` is not https"));
    }
    Ok(keys.to_owned())
}
