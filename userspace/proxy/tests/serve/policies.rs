//! Policies judge before anything is forwarded, and what they find reaches those who keep bans.
use crate::Test;
use crate::client::Client;
use crate::origin::{Act, Origin};
use crate::plans::{Draft, step};
use crate::rig::Rig;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use weir_plan::host::HostMap;
use weir_plan::listener::{ProxyProtocol, Service, Tunnel};
use weir_policy::rate_limit::{Count, Family, Part, Whom, Window};
use weir_policy::verdicts::Weights;
use weir_policy::{IpList, Link, RateLimit, SizeLimit, Verdicts};
use weir_wire::Reason;

pub const TESTS: &[Test] = &[
    ("a_denied_client_reaches_no_origin", denied),
    ("a_tunnel_turns_connections_away", turned_away),
    ("a_tunnel_goes_by_the_address_that_the_proxy_protocol_names", turned_away_by_name),
    ("a_tunnel_carries_so_many_connections_of_a_client_and_no_more", counted),
    ("a_policy_limits_bodies_while_they_pass", size),
    ("refusals_add_up_to_a_ban", ban),
    ("what_no_route_has_seen_is_judged_by_the_listener", framing),
    ("behind_a_trusted_proxy_nobody_is_banned", trusted),
];

fn deny_loopback() -> Link {
    Link::IpList(Arc::new(IpList::new(&[], &["127.0.0.0/8".parse().unwrap()])))
}

fn denied() {
    let origin = Origin::fixed();
    let mut draft = Draft::to(origin.address);
    draft.listener.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    draft
        .policies
        .push(step("inside", Link::IpList(Arc::new(IpList::new(&[], &["192.0.2.0/24".parse().unwrap()])))));
    let mut rig = Rig::new(draft.finish());
    let mut client = Client::new(rig.address);
    for (address, status) in [("192.0.2.9", "403"), ("198.51.100.1", "200"), ("192.0.2.10", "403")] {
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {address}\r\n\r\n"));
        let answer = client.answer();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{address}: {answer}");
    }
    assert_eq!(origin.seen().len(), 1);
    rig.drain();
    assert_eq!(rig.block.refusals(Reason::Denied as u8), 2);
}

/// Bytes of whoever is let in come back as they went.
fn tunnel(doors: impl IntoIterator<Item = Link>, proxied: bool) -> (Origin, Rig) {
    let origin = Origin::new(|_, _| Act::Echo(b"hi ".to_vec()));
    let mut draft = Draft::default();
    let upstream = Some(draft.upstream(&[origin.address]));
    let (by_name, idle_timeout) = (HostMap::default(), Duration::from_secs(20));
    draft.listener.service = Service::Tunnel(Tunnel { by_name, upstream, idle_timeout });
    if proxied {
        draft.listener.proxy_protocol =
            Some(ProxyProtocol { from: Vec::new(), header_timeout: idle_timeout });
    }
    draft.door.extend(doors.into_iter().map(|link| step("door", link)));
    let rig = Rig::new(draft.finish());
    (origin, rig)
}

fn turned_away() {
    let (origin, rig) = tunnel([deny_loopback()], false);
    // It is told at once, and says nothing before.
    assert_eq!(Client::new(rig.address).rest().0, "");
    assert_eq!((origin.connections(), rig.block.refusals(Reason::Denied as u8)), (0, 1));
    let (_origin, rig) = tunnel([], false);
    let mut client = Client::new(rig.address);
    client.send("\r\n\r\n");
    assert_eq!(client.bytes(3), b"hi ");
}

fn turned_away_by_name() {
    let list = IpList::new(&["192.0.2.0/24".parse().unwrap()], &[]);
    let (origin, rig) = tunnel([Link::IpList(Arc::new(list))], true);
    for (address, expect) in [("192.0.2.7", "hi "), ("198.51.100.7", "")] {
        let mut client = Client::new(rig.address);
        client.send(format!("PROXY TCP4 {address} 192.0.2.1 1000 443\r\n\r\n\r\n"));
        client.finish_sending();
        assert_eq!(client.rest().0, expect, "{address}");
    }
    assert_eq!(origin.connections(), 1);
}

fn counted() {
    let hour = Window::new("hour", Count::Fixed { limit: 2, window_s: 3600 });
    let limit = RateLimit::new(vec![Part::Ip], vec![(Whom::All, vec![hour])], Family::None, 100);
    let (origin, rig) = tunnel([Link::RateLimit(Arc::new(limit))], false);
    for expect in [&b"hi "[..], b"hi ", b""] {
        let mut client = Client::new(rig.address);
        // Whoever is turned away may be so before it has spoken.
        let _ = client.stream.write_all(b"\r\n\r\n");
        assert_eq!(client.bytes(expect.len()), expect);
        let _ = client.stream.shutdown(std::net::Shutdown::Write);
        client.rest();
    }
    assert_eq!((origin.connections(), rig.block.refusals(Reason::OverLimit as u8)), (2, 1));
}

fn size() {
    let origin = Origin::fixed();
    let mut draft = Draft::to(origin.address);
    draft.policies.push(step(
        "size",
        Link::SizeLimit(Arc::new(SizeLimit { body_max: Some(4), ..SizeLimit::default() })),
    ));
    let rig = Rig::new(draft.finish());
    for body in
        ["Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"]
    {
        let mut client = Client::new(rig.address);
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{body}"));
        assert!(client.rest().0.starts_with("HTTP/1.1 413 "), "{body}");
    }
    assert!(origin.seen().is_empty());
}

fn ban() {
    let origin = Origin::fixed();
    let mut draft = Draft::to(origin.address);
    let weights = Weights {
        points: vec![(Reason::Denied, 10)],
        ban_at: 25,
        half_life_ns: 60_000_000_000,
        credit: 0,
        observe: false,
    };
    draft.policies.push(step("verdicts", Link::Verdicts(Arc::new(Verdicts::new(weights, 100)))));
    draft.policies.push(step("inside", deny_loopback()));
    let rig = Rig::new(draft.finish());
    let mut client = Client::new(rig.address);
    let mut bans = Vec::new();
    for _ in 0..3 {
        assert!(bans.is_empty());
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(client.answer().starts_with("HTTP/1.1 403 "));
        // The answer leaves before the exchange is finished; one more exchange later it is.
        client.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(client.bytes(1));
        }
        bans.extend(rig.helm.take_bans());
    }
    assert_eq!(bans.len(), 1);
    assert_eq!(
        (bans[0].ban.address, bans[0].ban.reason),
        ("::ffff:127.0.0.1".parse().unwrap(), Reason::Denied)
    );
    assert_eq!((&*bans[0].rule, bans[0].request_id.len()), ("inside", 36), "{bans:?}");
}

/// Bans on the second thing that is wrong.
fn strict() -> Link {
    let weights = Weights {
        // A little of the first is forgotten before the second.
        points: vec![(Reason::Denied, 11), (Reason::BadFraming, 11)],
        ban_at: 20,
        half_life_ns: 60_000_000_000,
        credit: 0,
        observe: false,
    };
    Link::Verdicts(Arc::new(Verdicts::new(weights, 100)))
}

/// Bans that were called for once so many refusals are counted, which happens just before.
fn bans_after(rig: &Rig, refusals: u64, reason: Reason) -> Vec<weir_proxy::Sentence> {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while rig.block.refusals(reason as u8) < refusals {
        assert!(std::time::Instant::now() < deadline, "{reason:?} is counted");
        std::thread::yield_now();
    }
    rig.helm.take_bans()
}

fn framing() {
    let mut draft = Draft::to(Origin::fixed().address);
    draft.door.push(step("abuse", strict()));
    let rig = Rig::new(draft.finish());
    for _ in 0..2 {
        let mut client = Client::new(rig.address);
        client.send("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert!(client.rest().0.starts_with("HTTP/1.1 400 "));
    }
    let bans = bans_after(&rig, 2, Reason::BadFraming);
    assert_eq!(bans.len(), 1);
    assert_eq!((bans[0].ban.reason, &*bans[0].rule), (Reason::BadFraming, ""), "{bans:?}");
    assert_eq!(bans[0].request_id.len(), 36, "the answer names it too");
}

fn trusted() {
    let mut draft = Draft::to(Origin::fixed().address);
    draft.listener.trusted_proxies.push("127.0.0.0/8".parse().unwrap());
    let outside = IpList::new(&[], &["0.0.0.0/0".parse().unwrap()]);
    draft.policies.extend([step("abuse", strict()), step("nobody", Link::IpList(Arc::new(outside)))]);
    let rig = Rig::new(draft.finish());
    for forwarded in ["X-Forwarded-For: 203.0.113.7\r\n", "", "X-Forwarded-For: nonsense\r\n"].repeat(4) {
        let mut client = Client::new(rig.address);
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{forwarded}\r\n"));
        assert!(client.rest().0.starts_with("HTTP/1.1 403 "), "{forwarded}");
    }
    assert_eq!(bans_after(&rig, 12, Reason::Denied), []);
}
