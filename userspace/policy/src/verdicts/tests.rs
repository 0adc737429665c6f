//! Scores that grow, decay and lead to bans, once, for the right address.
use super::*;
use crate::scene::Scene;
use crate::{Client, Now, Reply};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const SECOND: u64 = 1_000_000_000;

fn weights() -> Weights {
    Weights {
        points: vec![(Reason::BadToken, 5), (Reason::OverLimit, 1), (Reason::BadFraming, 20)],
        ban_at: 100,
        half_life_ns: 60 * SECOND,
        credit: 2,
        observe: false,
    }
}

fn address(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, number, 0, 0, 0, 1)
}

#[test]
fn twenty_wrong_tokens_are_enough() {
    let verdicts = Verdicts::new(weights(), 100);
    let offend = |number: u16| verdicts.offend(address(number), Reason::BadToken, 3, SECOND);
    assert!((0..19).all(|_| offend(1).is_none()));
    assert!((0..19).all(|_| offend(2).is_none()), "a neighbour has a score of its own");
    let ban = Ban { address: address(1), reason: Reason::BadToken, step: 3, score: 100, observe: false };
    assert_eq!(offend(1), Some(ban));
    assert_eq!(offend(1), None, "once");
    assert_eq!(verdicts.offend(address(3), Reason::TooLarge, 0, SECOND), None);
    assert_eq!(verdicts.score(address(3), SECOND), 0, "what has no points adds none");
}

#[test]
fn what_decays_between_two_refusals_costs_no_further_one() {
    let verdicts = Verdicts::new(weights(), 100);
    let mut bans =
        (0..20).map(|n| verdicts.offend(address(1), Reason::BadToken, 0, SECOND + n * SECOND / 20));
    assert_eq!(bans.position(|ban| ban.is_some()), Some(19));
}

/// Each worker reads its clock once a turn, so two that score one client may be apart by as long as a turn takes.
#[test]
fn a_worker_that_is_behind_forgets_nothing() {
    let verdicts = Verdicts::new(weights(), 100);
    let clocks = [SECOND + SECOND / 50, SECOND];
    let mut bans =
        (0..20).map(|n| verdicts.offend(address(1), Reason::BadToken, 0, clocks[usize::from(n % 2_u8)]));
    assert_eq!(bans.position(|ban| ban.is_some()), Some(19));
}

#[test]
fn all_addresses_of_a_network_have_one_score() {
    let verdicts = Verdicts::new(weights(), 100);
    let of_host = |host: u16| Ipv6Addr::new(0x2001, 0xdb8, 0, 7, 0, 0, 0, host);
    let mut bans = (0..40).filter_map(|host| verdicts.offend(of_host(host), Reason::BadToken, 0, SECOND));
    assert_eq!(bans.next().map(|ban| ban.address), Some(of_host(19)), "who turns the scale is named");
    assert_eq!(bans.count(), 1, "and forty offences make two bans");
    let v4 = |host: u8| std::net::Ipv4Addr::new(192, 0, 2, host).to_ipv6_mapped();
    assert!((0..40).all(|host| verdicts.offend(v4(host), Reason::BadToken, 0, SECOND).is_none()));
}

#[test]
fn scores_halve_and_credit_takes_off() {
    let verdicts = Verdicts::new(weights(), 100);
    for _ in 0..3 {
        assert_eq!(verdicts.offend(address(1), Reason::BadFraming, 0, SECOND), None);
    }
    let close = |found: u32, expect: u32| assert!(found.abs_diff(expect) <= 1, "{found} {expect}");
    close(verdicts.score(address(1), SECOND), 60);
    close(verdicts.score(address(1), 61 * SECOND), 30);
    close(verdicts.score(address(1), 181 * SECOND), 7);
    verdicts.credit(address(1), 61 * SECOND);
    close(verdicts.score(address(1), 61 * SECOND), 28);
    for _ in 0..50 {
        verdicts.credit(address(1), 61 * SECOND);
    }
    assert_eq!(verdicts.score(address(1), 61 * SECOND), 0);
    verdicts.credit(address(9), SECOND);
    assert_eq!(verdicts.score(address(9), SECOND), 0);
}

#[test]
fn slow_offenders_are_left_alone() {
    let verdicts = Verdicts::new(weights(), 100);
    // Five points each half-life can never add up to more than ten.
    assert!(
        (0..1_000)
            .all(|n| verdicts.offend(address(1), Reason::BadToken, 0, SECOND + n * 60 * SECOND).is_none())
    );
    assert!(verdicts.score(address(1), SECOND + 999 * 60 * SECOND) <= 10);
}

#[test]
fn one_ban_for_each_threshold_over_threads() {
    let (verdicts, bans) = (Verdicts::new(weights(), 100), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    if verdicts.offend(address(1), Reason::BadToken, 0, SECOND).is_some() {
                        bans.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(bans.load(Ordering::Relaxed), 4_000 / 20);
}

#[test]
fn the_table_is_bounded_and_keeps_the_worst() {
    let verdicts = Verdicts::new(weights(), 64);
    for _ in 0..4 {
        assert_eq!(verdicts.offend(address(0), Reason::BadFraming, 0, SECOND), None);
    }
    for number in 1..20_000 {
        assert_eq!(verdicts.offend(address(number), Reason::OverLimit, 0, SECOND), None);
    }
    assert!(verdicts.offend(address(0), Reason::BadFraming, 0, SECOND).is_some());
    // Twice as many have places.
    let forgotten = verdicts.evicted();
    assert!((20_000 - 2 * 64..20_000).contains(&forgotten), "{forgotten}");
}

/// Lets a refusal of this client come to its end.
fn end(verdicts: &Verdicts, client: Client, offences: usize) -> Option<Ban> {
    let mut scene = Scene::get(&[]);
    scene.client = client;
    let step = crate::Step {
        rule: "deny".into(),
        link: crate::Link::IpList(Arc::new(crate::IpList::new(&[], &["::/0".parse().unwrap()]))),
        observe: false,
    };
    let chain = crate::Chain::new(vec![Arc::new(step)]);
    for _ in 0..offences {
        scene.pass.entered = 0;
        let flow = chain.request(&mut scene.visit());
        assert!(matches!(flow, crate::Flow::Reply(Reply { status: 403, .. })));
    }
    scene.pass.client = Some(client);
    scene.pass.identity.authenticated = offences == 0;
    verdicts.finish(&mut End {
        status: 403,
        now: Now { wall_ms: 0, mono_ns: SECOND },
        pass: &mut scene.pass,
    });
    scene.pass.take_ban()
}

#[test]
fn only_the_socket_and_never_through_a_proxy() {
    let verdicts = Verdicts::new(Weights { points: vec![(Reason::Denied, 60)], ..weights() }, 100);
    let direct = Client { socket: address(1), address: address(1) };
    let proxied = Client { socket: address(1), address: address(2) };
    assert_eq!(end(&verdicts, proxied, 4), None);
    assert_eq!(end(&verdicts, direct, 1), None);
    assert_eq!(verdicts.score(address(1), SECOND) + verdicts.score(address(2), SECOND), 60);
    end(&verdicts, direct, 0);
    assert_eq!(verdicts.score(address(1), SECOND), 58, "authenticated requests are to one's credit");
    assert_eq!(
        end(&verdicts, direct, 1).map(|ban| (ban.address, ban.reason)),
        Some((address(1), Reason::Denied))
    );
}

#[test]
fn what_the_proxy_finds_counts_too() {
    let verdicts = Verdicts::new(Weights { ban_at: 20, ..weights() }, 100);
    let mut scene = Scene::get(&[]);
    let _flow = crate::Chain::default().request(&mut scene.visit());
    scene.pass.record(Reason::BadFraming);
    verdicts.finish(&mut End { status: 400, now: scene.now, pass: &mut scene.pass });
    assert_eq!(scene.pass.take_ban().map(|ban| ban.score), Some(20));
    assert_eq!(scene.pass.take_ban(), None);
}
