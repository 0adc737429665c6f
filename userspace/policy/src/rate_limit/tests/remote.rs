//! Counting in a store that others share, and that may fail.
use super::*;

/// A store on another host, as seen from here: it counts for as long as the line is up.
#[derive(Debug)]
struct Remote {
    counts: Local,
    is_up: AtomicBool,
}

impl Remote {
    fn new(limits: &[Count]) -> Arc<Remote> {
        let limits = limits.iter().map(|count| Limit::new(*count, 64)).collect();
        Arc::new(Remote { counts: Local { limits }, is_up: AtomicBool::new(true) })
    }

    fn falls(&self) {
        self.is_up.store(false, Ordering::Relaxed);
    }

    fn rises(&self) {
        self.is_up.store(true, Ordering::Relaxed);
    }
}

impl Store for Remote {
    fn take(&self, limit: usize, key: u64, now: Now) -> Result<Taken, Uncounted> {
        if self.is_up.load(Ordering::Relaxed) { self.counts.take(limit, key, now) } else { Err(Uncounted) }
    }

    fn give_back(&self, limit: usize, key: u64, now: Now) {
        self.counts.give_back(limit, key, now);
    }
}

/// A limit of two a minute that is counted by a remote store.
fn by_remote(on_error: OnStoreError) -> (RateLimit, Arc<Remote>) {
    let count = Count::Fixed { limit: 2, window_s: 60 };
    let remote = Remote::new(&[count]);
    let tiers = vec![(Whom::All, vec![Window::new("minute", count)])];
    let policy = RateLimit::new(vec![Part::Ip], tiers, Family::Ietf, 64);
    (policy.shared(Arc::clone(&remote) as Arc<dyn Store>).on_store_error(on_error), remote)
}

/// The statuses of so many requests, and what the last one is told.
fn ask(policy: &RateLimit, requests: usize) -> (Vec<u16>, [String; 2]) {
    let (mut statuses, mut told) = (Vec::new(), Default::default());
    for _ in 0..requests {
        let mut scene = Scene::get(&[]);
        scene.now = at(60_000_000);
        let status = scene.status(policy);
        let answer = scene.answer(policy, status.max(200), &[]);
        told = ["RateLimit", "Retry-After"].map(|name| sent(&answer, name));
        statuses.push(status);
    }
    (statuses, told)
}

#[test]
fn b9_a_store_that_does_not_answer() {
    let check = |on_error: OnStoreError, statuses: &[u16], told: [&str; 2], uncounted: u64| {
        let (policy, remote) = by_remote(on_error);
        assert_eq!(ask(&policy, 1), (vec![0], ["\"minute\";r=1;t=60".into(), String::new()]));
        remote.falls();
        let (found, said) = ask(&policy, 4);
        assert_eq!((found.as_slice(), said), (statuses, told.map(String::from)), "{on_error:?}");
        assert_eq!(policy.uncounted(), uncounted, "{on_error:?}");
        remote.rises();
        assert_eq!(ask(&policy, 2).0, [0, 429], "{on_error:?}: what it had counted still counts");
    };
    check(OnStoreError::Open, &[0; 4], ["", ""], 4);
    check(OnStoreError::Closed, &[503; 4], ["", "1"], 4);
    check(OnStoreError::Local, &[0, 0, 429, 429], ["\"minute\";r=0;t=60", "60"], 0);
}

#[test]
fn a_store_that_fails_between_two_windows_gets_nothing_from_the_first() {
    let counts = [Count::Fixed { limit: 9, window_s: 1 }, Count::Fixed { limit: 9, window_s: 60 }];
    /// Knows nothing of the second window.
    #[derive(Debug)]
    struct Half(Arc<Remote>);
    impl Store for Half {
        fn take(&self, limit: usize, key: u64, now: Now) -> Result<Taken, Uncounted> {
            if limit == 0 { self.0.take(limit, key, now) } else { Err(Uncounted) }
        }

        fn give_back(&self, limit: usize, key: u64, now: Now) {
            self.0.give_back(limit, key, now);
        }
    }
    let remote = Remote::new(&counts);
    let windows = vec![Window::new("second", counts[0]), Window::new("minute", counts[1])];
    let policy = RateLimit::new(vec![Part::Ip], vec![(Whom::All, windows)], Family::None, 64)
        .shared(Arc::new(Half(Arc::clone(&remote))))
        .on_store_error(OnStoreError::Closed);
    assert_eq!(ask(&policy, 20).0, [503; 20], "the first window never fills up");
}
