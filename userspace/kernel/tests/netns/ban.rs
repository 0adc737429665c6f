//! Bans between real sockets.

use std::time::Duration;

use aya::maps::{Array, Map, MapData};
use weir_kernel::{Cause, Shield};
use weir_wire::ban::{FILTER_WORDS, Filter, filter_place};
use weir_wire::{Address, Reason, table};

use crate::traffic::{Sink, send, source};
use crate::world::{CLIENT6, SERVER, SERVER6, World, at, until};

pub(crate) fn next_packet(world: &World) {
    let mut shield = world.shield(&world.plan());
    let mut events = shield.events().unwrap();
    let sink = Sink::open(SERVER);
    let client = source(world, "10.91.0.3");
    send(&client, SERVER);
    assert!(sink.receives(), "before the ban");

    let cause = Cause::by_rule(Reason::BadToken, "login", Some("r-7"));
    let shown = shield.bans().ban(at("10.91.0.3"), None, cause).unwrap();
    assert_eq!((shown.entry.until_s - shown.entry.since_s, shown.entry.nth), (60, 1));
    send(&client, SERVER);
    assert!(!sink.receives(), "a banned source got through");
    let other = source(world, "10.91.0.4");
    send(&other, SERVER);
    assert!(sink.receives(), "somebody else was banned too");

    assert_eq!(shield.counters().unwrap().dropped(Reason::Banned).packets, 1);
    let listed = shield.bans().list().unwrap();
    let told =
        (listed[0].hits, listed[0].entry.cause.request_id.as_deref(), listed[0].entry.cause.rule.as_str());
    assert_eq!(told, (1, Some("r-7"), "login"));
    let event = events.take().expect("an event");
    assert_eq!((event.source, event.reason, event.observed), (at("10.91.0.3"), "banned", false));

    assert!(shield.bans().unban(at("10.91.0.3")).unwrap());
    send(&client, SERVER);
    assert!(sink.receives(), "after the ban was lifted");

    shield.bans().ban(at("10.91.0.3"), Some(Duration::from_secs(1)), Cause::by_hand("a second")).unwrap();
    until("the ban to end by itself", || {
        send(&client, SERVER);
        sink.receives()
    });
    until("the ban to be cleared away", || {
        shield.tick().unwrap();
        shield.bans().list().unwrap().is_empty()
    });
}

pub(crate) fn v6_network(world: &World) {
    let mut shield = world.shield(&world.plan());
    let sink = Sink::open(SERVER6);
    let (one, two, three) =
        (source(world, CLIENT6), source(world, "fd91::3"), source(world, "fd91:0:0:1::2"));
    let shown = shield.bans().ban(at("fd91::ffff"), None, Cause::by_hand("the network")).unwrap();
    assert_eq!((shown.source, shown.bits), (at("fd91::"), 64));
    for (client, passes) in [(&one, false), (&two, false), (&three, true)] {
        send(client, SERVER6);
        assert_eq!(sink.receives(), passes, "{client:?}");
    }
    assert!(shield.bans().unban(at("fd91::9")).unwrap());
    send(&one, SERVER6);
    assert!(sink.receives());
}

pub(crate) fn protected(world: &World) {
    let mut plan = world.plan();
    plan.trusted = vec!["10.91.0.5/32".parse().unwrap()];
    plan.bans.never = vec!["fd91::77/128".parse().unwrap()];
    plan.deny.networks = vec!["10.91.0.0/24".parse().unwrap()];
    let mut shield = world.shield(&plan);
    let mut refused = |address: &str, why: &str| {
        let error = shield.bans().ban(at(address), None, Cause::by_hand("x")).expect_err(address);
        assert!(error.to_string().contains(why), "{error}");
    };
    refused("10.91.0.5", "a trusted network");
    // To ban the network of a protected address would ban the address.
    refused("fd91::1234", "never banned");

    let sink = Sink::open(SERVER);
    let (trusted, upstream) = (source(world, "10.91.0.5"), source(world, "10.91.0.6"));
    send(&trusted, SERVER);
    assert!(sink.receives(), "a trusted source is dropped by a shorter denied network");
    send(&upstream, SERVER);
    assert!(!sink.receives());
    shield.bans().ban(at("10.91.0.6"), None, Cause::by_hand("x")).unwrap();
    shield.protect(["10.91.0.6/32".parse().unwrap()], "an upstream").unwrap();
    assert!(shield.bans().list().unwrap().is_empty(), "the ban of an upstream stayed");
    send(&upstream, SERVER);
    assert!(sink.receives(), "an upstream is dropped");
}

/// The filter before the table of bans lets exactly the banned through: also after bans were lifted, after a restart,
/// and after somebody else has written nonsense into it.
pub(crate) fn filter(world: &World) {
    let read = || {
        let pin = MapData::from_pin(world.pins().join(table::BAN_FILTER)).unwrap();
        Array::<_, Filter>::try_from(Map::Array(pin)).unwrap()
    };
    let agree = |shield: &mut Shield, banned: &[&str]| {
        let mut expect: Filter = [0; FILTER_WORDS];
        for (word, bit) in banned.iter().map(|one| filter_place(Address::from(at(one)).key(u64::MAX))) {
            expect[word] |= bit;
        }
        assert!(read().get(&0, 0).unwrap() == expect, "the filter does not stand for {banned:?}");
        assert_eq!(shield.bans().list().unwrap().len(), banned.len());
    };
    let mut shield = world.shield(&world.plan());
    agree(&mut shield, &[]);
    for source in ["10.91.0.3", "10.91.0.4", CLIENT6] {
        shield.bans().ban(at(source), None, Cause::by_hand("x")).unwrap();
    }
    agree(&mut shield, &["10.91.0.3", "10.91.0.4", CLIENT6]);
    shield.bans().unban(at("10.91.0.3")).unwrap();
    agree(&mut shield, &["10.91.0.4", CLIENT6]);
    drop(shield);

    read().set(0, [0x5555; FILTER_WORDS], 0).unwrap();
    let mut shield = world.shield(&world.plan());
    agree(&mut shield, &["10.91.0.4", CLIENT6]);
    let sink = Sink::open(SERVER);
    for (from, passes) in [("10.91.0.4", false), ("10.91.0.3", true)] {
        send(&source(world, from), SERVER);
        assert_eq!(sink.receives(), passes, "{from}");
    }
    shield.bans().unban(at(CLIENT6)).unwrap();
    shield.bans().ban(at("10.91.0.4"), Some(Duration::from_secs(1)), Cause::by_hand("a second")).unwrap();
    until("the ban to end", || {
        shield.tick().unwrap();
        shield.bans().list().unwrap().is_empty()
    });
    shield.tick().unwrap();
    agree(&mut shield, &[]);
}
