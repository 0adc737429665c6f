//! Bans between real sockets.

use std::time::Duration;

use weir_kernel::Cause;
use weir_wire::Reason;

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
