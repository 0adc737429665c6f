//! Lists, observation and explanations.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use weir_kernel::{Cause, Outcome};
use weir_plan::shield::{Mode, Stages};
use weir_wire::Reason;

use crate::traffic::{Sink, Stopped, frame, probe, send, source};
use crate::world::{SERVER, World, at, until};

/// Verdicts as the kernel numbers them.
const DROPPED: u32 = 1;
const PASSED: u32 = 2;

pub(crate) fn explain(world: &World) {
    let mut plan = world.plan();
    std::fs::write(world.files().join("a.txt"), "203.0.113.0/24\n").unwrap();
    plan.trusted = vec!["192.0.2.1/32".parse().unwrap()];
    plan.allow.networks = vec!["203.0.113.128/25".parse().unwrap()];
    plan.deny.networks = vec!["192.0.2.0/24".parse().unwrap(), "203.0.113.129/32".parse().unwrap()];
    plan.deny.files = vec![world.files().join("*.txt")];
    plan.limits.port.packets = Some(weir_plan::shield::Rate { per_second: 7000, burst: 7000 });
    let mut shield = world.shield(&plan);
    shield.bans().ban(at("198.51.100.7"), None, Cause::by_hand("noise")).unwrap();
    shield.bans().ban(at("203.0.113.200"), None, Cause::by_hand("noise")).unwrap();

    let check = |source: &str, outcome: Outcome, word: &str| {
        let told = shield.explain(at(source)).unwrap();
        assert_eq!(told.outcome, outcome, "{told:?}");
        assert!(told.steps.last().unwrap().finds.contains(word), "{told:?}");
        let from: Ipv4Addr = source.parse().unwrap();
        let verdict = shield.try_out(&frame(from, SERVER.parse().unwrap())).unwrap();
        let expect = if outcome == Outcome::Drop { DROPPED } else { PASSED };
        assert_eq!(verdict, expect, "the kernel disagrees about {source}: {told:?}");
    };
    check("198.51.100.1", Outcome::Depends, "each protected port has 7000 packets a second");
    check("198.51.100.7", Outcome::Drop, "noise");
    check("192.0.2.1", Outcome::Pass, "192.0.2.1/32 on the list `trusted`");
    check("192.0.2.2", Outcome::Drop, "192.0.2.0/24 on the list `deny` in the configuration");
    check("203.0.113.1", Outcome::Drop, "a.txt");
    check("203.0.113.130", Outcome::Pass, "203.0.113.128/25 on the list `allow`");
    check("203.0.113.129", Outcome::Drop, "203.0.113.129/32");
    check("203.0.113.200", Outcome::Pass, "allow");
}

pub(crate) fn observe(world: &World) {
    let mut plan = world.plan();
    plan.stages = Stages::all(Mode::Observe);
    plan.deny.networks = vec!["10.91.0.3/32".parse().unwrap()];
    plan.limits.source.rates.packets = Some(weir_plan::shield::Rate { per_second: 1, burst: 1 });
    let mut shield = world.shield(&plan);
    shield.bans().ban(at("10.91.0.4"), None, Cause::by_hand("x")).unwrap();
    let sink = Sink::open(SERVER);
    for from in ["10.91.0.2", "10.91.0.3", "10.91.0.4"] {
        let client = source(world, from);
        for _ in 0..5 {
            send(&client, SERVER);
            assert!(sink.receives(), "{from} was dropped");
        }
    }
    let counters = shield.counters().unwrap();
    assert_eq!(counters.dropped_in_all().packets, 0);
    assert_eq!(counters.observed(Reason::DenyList).packets, 5);
    assert_eq!(counters.observed(Reason::Banned).packets, 5);
    assert!(counters.observed(Reason::SourcePackets).packets >= 3, "{counters:?}");

    plan.stages = Stages::default();
    shield.sync(&plan).unwrap();
    let denied = source(world, "10.91.0.3");
    send(&denied, SERVER);
    assert!(!sink.receives(), "enforcing drops what observing counted");
}

/// Writes a list of `count` different addresses outside the trial's own network.
fn million(world: &World, name: &str, count: u32, salt: u32) -> std::path::PathBuf {
    let mut text = String::with_capacity(usize::try_from(count).unwrap() * 16);
    for number in 0..count {
        // An odd factor makes a permutation of all addresses, so none comes twice.
        let bits = number.wrapping_mul(0x9e37_79b1).wrapping_add(salt);
        let address = Ipv4Addr::from_bits(if bits >> 24 == 10 { bits ^ 0x5500_0000 } else { bits });
        writeln!(text, "{address}").unwrap();
    }
    let path = world.files().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

pub(crate) fn swap(world: &World) {
    let mut plans = [world.plan(), world.plan()];
    let denied = "10.91.0.4/32".parse().unwrap();
    plans[0].deny.files = vec![million(world, "large.txt", 1_000_000, 7)];
    plans[1].deny.files = vec![million(world, "small.txt", 1_000, 99)];
    for plan in &mut plans {
        plan.deny.networks = vec![denied];
    }
    let mut shield = world.shield(&plans[1]);
    let sink = Sink::open(SERVER);
    let sources = [source(world, "10.91.0.2"), source(world, "10.91.0.4")];
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut arrived = std::thread::scope(|scope| {
        scope.spawn(|| probe(&sources, SERVER, &stop, &sent));
        let drained = scope.spawn(|| {
            let mut arrived = [0; 256];
            while !stop.load(Ordering::Relaxed) {
                sink.drain(&mut arrived);
                std::thread::park_timeout(Duration::from_millis(1));
            }
            arrived
        });
        let stopped = Stopped(&stop);
        for round in 0..6 {
            let began = Instant::now();
            shield.sync(&plans[round % 2]).unwrap();
            let took = began.elapsed();
            println!("list swap: {} entries in force after {} ms", shield.entries(), took.as_millis());
        }
        drop(stopped);
        drained.join().unwrap()
    });
    let sent = sent.load(Ordering::Relaxed);
    until("every datagram of the honest source", || {
        sink.drain(&mut arrived);
        arrived[2] == sent
    });
    assert_eq!(arrived[4], 0, "of {sent} datagrams of a denied source");
    assert_eq!(shield.counters().unwrap().dropped(Reason::DenyList).packets, sent);
    assert!(sent > 500, "too few datagrams to prove anything: {sent}");
}
