//! Counting against an independent oracle, by the clock, over threads, and in a table that is too small.
use super::*;
use crate::scene::{Scene, sent};
use crate::{Client, Consumer, Now, Place};
use governor::clock::FakeRelativeClock;
use governor::{Quota as Oracle, RateLimiter};
use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

fn at(wall_ms: u64) -> Now {
    Now { wall_ms, mono_ns: wall_ms * 1_000_000 }
}

fn passes(limit: &Limit, key: u64, now: Now) -> bool {
    limit.take(key, now).unwrap().passed
}

/// Takes one, and says what that leaves.
fn quota(limit: &Limit, key: u64, now: Now) -> Quota {
    limit.quota(limit.take(key, now).unwrap().state, now)
}

/// Numbers that look random and are the same in every run.
fn numbers(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed;
    move |below| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    }
}

#[test]
fn a_bucket_decides_as_governor_does() {
    for (count, burst) in [(1, 1), (5, 1), (20, 40), (1_000, 7), (3, 1_000)] {
        let clock = FakeRelativeClock::default();
        let quota =
            Oracle::per_second(NonZeroU32::new(count).unwrap()).allow_burst(NonZeroU32::new(burst).unwrap());
        let oracle = RateLimiter::direct_with_clock(quota, clock.clone());
        let limit =
            Limit::new(Count::Bucket { count: count.into(), per_ns: 1_000_000_000, burst: burst.into() }, 64);
        let (mut number, mut mono_ns) = (numbers(u64::from(count)), 1_000_000_000_000_u64);
        let mut refused = 0;
        for step in 0..20_000 {
            let wait_ns = number(2_000_000_000 / u64::from(count));
            clock.advance(Duration::from_nanos(wait_ns));
            mono_ns += wait_ns;
            let expect = oracle.check().is_ok();
            assert_eq!(
                passes(&limit, 7, Now { wall_ms: 0, mono_ns }),
                expect,
                "{count}/s burst {burst}, step {step}"
            );
            refused += usize::from(!expect);
        }
        assert!(refused > 100 || burst == 1_000, "{count}/s burst {burst} was never over: {refused}");
    }
}

#[test]
fn fixed_windows_begin_with_the_clock() {
    let limit = Limit::new(Count::Fixed { limit: 3, window_s: 60 }, 64);
    let verdicts: Vec<bool> = [59_000, 59_500, 59_999, 59_999, 60_000, 60_001, 119_000, 119_999, 120_000]
        .into_iter()
        .map(|ms| passes(&limit, 1, at(6_000_000 + ms)))
        .collect();
    assert_eq!(verdicts, [true, true, true, false, true, true, true, false, true]);
    assert_eq!(
        quota(&limit, 1, at(6_120_000)),
        Quota { index: 0, limit: 3, remaining: 1, reset_s: 60, retry_s: 0 }
    );
}

#[test]
fn a_sliding_window_counts_what_still_overlaps() {
    for limit_max in [1, 4, 10, 333] {
        let limit = Limit::new(Count::Sliding { limit: limit_max, window_s: 10 }, 64);
        let (mut number, mut ms) = (numbers(9), 50_000_000_u64);
        // The oracle keeps every request that passed.
        let mut passed: Vec<u64> = Vec::new();
        for _ in 0..5_000 {
            ms += number(10_000 / u64::from(limit_max));
            let window = ms / 10_000;
            let of = |wanted: u64| passed.iter().filter(|&&then| then / 10_000 == wanted).count() as f64;
            let share = 1.0 - (ms % 10_000) as f64 / 10_000.0;
            let expect = of(window - 1) * share + of(window) + 1.0 <= f64::from(limit_max) + 1e-9;
            assert_eq!(passes(&limit, 3, at(ms)), expect, "limit {limit_max} at {ms}");
            if expect {
                passed.push(ms);
            }
        }
        assert!(passed.len() < 4_500);
    }
}

#[test]
fn b2_retry_after_is_when_the_next_one_passes() {
    for count in [
        Count::Bucket { count: 2, per_ns: 60_000_000_000, burst: 3 },
        Count::Fixed { limit: 5, window_s: 60 },
        Count::Sliding { limit: 5, window_s: 60 },
        Count::Sliding { limit: 1, window_s: 7 },
    ] {
        let mut number = numbers(4);
        for round in 0..200 {
            let limit = Limit::new(count, 8);
            let mut now = at(60_000_000 + number(600_000));
            let over = loop {
                let Taken { passed, state } = limit.take(1, now).unwrap();
                if !passed {
                    break limit.quota(state, now);
                }
                now = Now { wall_ms: now.wall_ms + number(900), mono_ns: now.mono_ns + number(900_000_000) };
            };
            assert!(over.retry_s >= 1 && over.remaining == 0, "{count:?} {over:?}");
            let later = |seconds: u64| Now {
                wall_ms: now.wall_ms + seconds * 1_000,
                mono_ns: now.mono_ns + seconds * 1_000_000_000,
            };
            if over.retry_s > 1 {
                assert!(
                    !passes(&limit, 1, later(over.retry_s - 1)),
                    "{count:?} round {round}: too late {over:?}"
                );
            }
            assert!(passes(&limit, 1, later(over.retry_s)), "{count:?} round {round}: too early {over:?}");
        }
    }
}

/// A thousand keys, eight threads that all want twice the limit of each, at one moment.
#[test]
fn not_one_too_many_over_threads() {
    const KEYS: usize = 1_000;
    for count in [
        Count::Bucket { count: 10, per_ns: 1_000_000_000, burst: 16 },
        Count::Fixed { limit: 16, window_s: 60 },
        Count::Sliding { limit: 16, window_s: 60 },
    ] {
        let limit = Limit::new(count, KEYS * 2);
        let admitted: Vec<AtomicUsize> = (0..KEYS).map(|_| AtomicUsize::new(0)).collect();
        let start = Barrier::new(8);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (limit, admitted, start) = (&limit, &admitted, &start);
                scope.spawn(move || {
                    start.wait();
                    for turn in 0..4 * KEYS {
                        let key = (turn * 7 + thread) % KEYS;
                        let name = (key as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                        if passes(limit, name, at(60_000_000)) {
                            admitted[key].fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        let wrong: Vec<usize> =
            admitted.iter().map(|count| count.load(Ordering::Relaxed)).filter(|&count| count != 16).collect();
        assert_eq!(limit.evicted(), 0);
        // The stated bound: one request for each further thread that meets a new key in the same instant.
        assert!(
            wrong.iter().all(|&count| count > 16 && count <= 16 + 7) && wrong.len() < KEYS / 100,
            "{count:?} {wrong:?}"
        );
    }
}

#[test]
fn all_windows_or_none() {
    let windows = vec![
        Window::new("second", Count::Fixed { limit: 2, window_s: 1 }),
        Window::new("minute", Count::Fixed { limit: 3, window_s: 60 }),
        Window::new("hour", Count::Fixed { limit: 100, window_s: 3_600 }),
    ];
    let policy = RateLimit::new(vec![Part::Ip], vec![(Whom::All, windows)], Family::Kong, 64);
    let mut scene = Scene::get(&[]);
    let mut take = |wall_ms: u64| {
        (scene.now, scene.pass) = (at(wall_ms), crate::Pass::default());
        let status = scene.status(&policy);
        (
            status,
            sent(
                &scene.answer(&policy, if status == 0 { 200 } else { status }, &[]),
                "X-RateLimit-Remaining-Hour",
            ),
        )
    };
    let start = 3_600_000_000;
    assert_eq!(take(start), (0, "99".into()));
    assert_eq!(take(start), (0, "98".into()));
    for _ in 0..50 {
        assert_eq!(take(start).0, 429, "the second is used up");
    }
    assert_eq!(take(start + 1_000), (0, "97".into()), "refused requests took nothing from the minute");
    for second in 2..50 {
        assert_eq!(take(start + second * 1_000).0, 429, "the minute is used up");
    }
    assert_eq!(take(start + 60_000), (0, "96".into()), "refused requests took nothing from the hour");
}

#[test]
fn flooding_with_keys_forgets_the_least_used_first() {
    let limit = Limit::new(Count::Fixed { limit: 50, window_s: 60 }, 1_000);
    let busy = 0xdead_beef_0bad_cafe;
    for _ in 0..50 {
        assert!(passes(&limit, busy, at(60_000_000)));
    }
    let mut number = numbers(2);
    for _ in 0..200_000 {
        let key = number(u64::MAX >> 33) << 31 | number(1 << 31);
        passes(&limit, key | 1, at(60_000_001));
    }
    assert!(limit.evicted() > 100_000);
    assert!(!passes(&limit, busy, at(60_000_002)), "G9: whoever is over the limit stays over it");
    // Once the window is over every place is free again.
    let before = limit.evicted();
    passes(&limit, 12_345, at(60_060_000));
    assert_eq!(limit.evicted(), before);
}

fn key_of(policy: &RateLimit, scene: &mut Scene) -> u64 {
    policy.key.of(&scene.visit())
}

#[test]
fn keys_tell_apart_what_they_should() {
    let policy = |by: Vec<Part>| RateLimit::new(by, Vec::new(), Family::None, 8);
    let from = |address: &str| {
        let mut scene = Scene::get(&[("X-User", "a"), ("Cookie", "sid=1")]);
        scene.client = Client::direct(address.parse().unwrap());
        scene
    };
    let ip = policy(vec![Part::Ip]);
    let key = |address: &str| key_of(&ip, &mut from(address));
    assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:2"), "B8: IPv6 by /64");
    assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
    assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));

    let user = policy(vec![Part::Place(Place::Header("X-User".into()))]);
    assert_eq!(key_of(&user, &mut from("192.0.2.1")), key_of(&user, &mut from("192.0.2.2")));
    let absent = policy(vec![Part::Place(Place::Header("X-Other".into()))]);
    assert_ne!(
        key_of(&absent, &mut from("192.0.2.1")),
        key_of(&absent, &mut from("192.0.2.2")),
        "B8: falls back to the address"
    );

    let both = policy(vec![Part::Consumer, Part::Route]);
    let mut known = HashSet::new();
    for name in ["a", "ao", ""] {
        let mut scene = from("192.0.2.1");
        scene.pass.identity.consumer = Some(Arc::new(Consumer { name: name.into(), ..Consumer::default() }));
        known.insert(key_of(&both, &mut scene));
    }
    known.insert(key_of(&both, &mut from("192.0.2.1")));
    assert_eq!(known.len(), 4);
}

#[test]
fn tiers_hold_for_whom_they_are_meant() {
    let tier = |limit: u32| vec![Window::new("minute", Count::Fixed { limit, window_s: 60 })];
    let tiers = vec![
        (Whom::Consumer("vip".into()), tier(9)),
        (Whom::Group("premium".into()), tier(5)),
        (Whom::All, tier(2)),
    ];
    let policy = RateLimit::new(vec![Part::Consumer], tiers, Family::X, 64);
    assert_eq!(policy.rank(), Rank::Quota);
    let count = |name: &str, groups: &[&str]| {
        let mut scene = Scene::get(&[]);
        let groups = groups.iter().map(|&group| group.into()).collect();
        let consumer = Arc::new(Consumer { name: name.into(), groups, ..Consumer::default() });
        (0..20)
            .filter(|_| {
                scene.pass = crate::Pass::default();
                scene.pass.identity.consumer = Some(Arc::clone(&consumer));
                scene.status(&policy) == 0
            })
            .count()
    };
    assert_eq!((count("vip", &["premium"]), count("b", &["x", "premium"]), count("c", &[])), (9, 5, 2));
}

#[test]
fn clients_are_told_in_each_family() {
    let windows = || {
        vec![
            Window::new("second", Count::Fixed { limit: 2, window_s: 1 }),
            Window::new("minute", Count::Fixed { limit: 3, window_s: 60 }),
        ]
    };
    let check = |family: Family, expect: &[(&str, &str)]| {
        let policy = RateLimit::new(vec![Part::Ip], vec![(Whom::All, windows())], family, 64);
        let mut scene = Scene::get(&[]);
        scene.now = at(60_000_000);
        assert_eq!(scene.status(&policy), 0);
        let response = scene.answer(&policy, 200, &[]);
        for (name, value) in expect {
            assert_eq!(sent(&response, name), *value, "{family:?} {name}");
        }
        assert_eq!(
            response.head.len(),
            expect.iter().map(|(_, value)| value.split(", ").count()).sum::<usize>(),
            "{family:?}"
        );
        scene.pass = crate::Pass::default();
        assert_eq!(scene.status(&policy), 0);
        scene.pass = crate::Pass::default();
        assert_eq!(scene.status(&policy), 429);
        assert_eq!(sent(&scene.answer(&policy, 429, &[]), "Retry-After"), "1", "{family:?}");
    };
    check(
        Family::Ietf,
        &[
            ("RateLimit-Policy", "\"second\";q=2;w=1, \"minute\";q=3;w=60"),
            ("RateLimit", "\"second\";r=1;t=1, \"minute\";r=2;t=60"),
        ],
    );
    check(
        Family::Kong,
        &[
            ("RateLimit-Limit", "2"),
            ("RateLimit-Remaining", "1"),
            ("RateLimit-Reset", "1"),
            ("X-RateLimit-Limit-Second", "2"),
            ("X-RateLimit-Remaining-Second", "1"),
            ("X-RateLimit-Limit-Minute", "3"),
            ("X-RateLimit-Remaining-Minute", "2"),
        ],
    );
    check(
        Family::X,
        &[("X-RateLimit-Limit", "2"), ("X-RateLimit-Remaining", "1"), ("X-RateLimit-Reset", "1")],
    );
    check(Family::None, &[]);
}

#[test]
fn an_upstream_that_is_over_its_own_limit_speaks_for_itself() {
    let windows = vec![Window::new("minute", Count::Fixed { limit: 1, window_s: 60 })];
    let policy = RateLimit::new(vec![Part::Ip], vec![(Whom::All, windows)], Family::None, 64);
    let mut scene = Scene::get(&[]);
    assert_eq!(scene.status(&policy), 0);
    for status in [429, 503] {
        assert_eq!(sent(&scene.answer(&policy, status, &[("Retry-After", "7")]), "Retry-After"), "7");
    }
}

mod ahead;
mod remote;
mod together;
