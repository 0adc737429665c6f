//! Connections that wait for their next request: after a while they have no task of their own, and go on all the same.
use crate::Test;
use crate::client::Client;
use crate::origin::Origin;
use crate::plans::Draft;
use crate::rig::Rig;
use crate::tls::{ask, certificate, connect};
use rustls::ClientConfig;
use std::time::{Duration, Instant};
use weir_meter::{Count, Level};
use weir_proxy::Barred;

pub const TESTS: &[Test] = &[
    ("a_connection_that_was_parked_serves_its_next_request", parked),
    ("a_tls_session_that_was_parked_serves_its_next_request", parked_tls),
    ("a_parked_connection_ends_when_its_time_is_over", over),
    ("a_worker_that_drains_ends_parked_connections", drained),
    ("a_ban_ends_parked_connections", banned),
    ("a_parked_connection_is_one_of_its_clients", counted),
];

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// The tasks of the worker, as it says itself.
#[expect(clippy::disallowed_methods, reason = "between two looks at a condition with a deadline")]
fn wait_for_tasks(rig: &Rig, what: &str, tasks: impl Fn(u64) -> bool) -> u64 {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let _asked = rig.helm.beats();
        std::thread::sleep(Duration::from_millis(5));
        let live = rig.helm.counters().tasks_live;
        if tasks(live) {
            return live;
        }
        assert!(Instant::now() < deadline, "{what}: {live} tasks after 60 s");
    }
}

/// A worker, and how many tasks it has while nobody is connected.
fn rig(idle: Duration) -> (Rig, u64, Origin) {
    let origin = Origin::fixed();
    let mut draft = Draft::to(origin.address);
    draft.listener.limits.idle_timeout = idle;
    let mut plan = draft.finish();
    // Longer than any client waits: whoever ends does so for a reason.
    plan.limits.drain_timeout = Duration::from_secs(60);
    let rig = Rig::new(plan);
    let at_rest = wait_for_tasks(&rig, "the worker says how it is", |tasks| tasks > 0);
    (rig, at_rest, origin)
}

/// A client whose connection has served a request and was parked after it.
fn park(rig: &Rig, at_rest: u64) -> Client {
    let mut client = Client::new(rig.address);
    client.send(REQUEST);
    assert!(client.answer().starts_with("HTTP/1.1 200"));
    wait_for_tasks(rig, "the connection has a task first", |tasks| tasks > at_rest);
    wait_for_tasks(rig, "the connection is parked", |tasks| tasks == at_rest);
    assert_eq!(rig.count(Count::Closed), 0, "it is open nevertheless");
    assert_eq!(rig.block.level(Level::Parked), 1);
    client
}

fn parked() {
    let (rig, at_rest, _origin) = rig(Duration::from_secs(60));
    let mut client = park(&rig, at_rest);
    for _ in 0..2 {
        client.send(REQUEST);
        assert!(client.answer().starts_with("HTTP/1.1 200"));
    }
    wait_for_tasks(&rig, "it is parked again", |tasks| tasks == at_rest);
    client.send(format!("{REQUEST}{REQUEST}"));
    let twice = client
        .bytes(2 * "HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 5\r\nVia: 1.1 weir\r\n\r\nhello".len());
    assert!(twice.ends_with(b"hello"));
    assert_eq!(rig.count(Count::Accepted), 1);
    client.finish_sending();
    assert_eq!(client.rest(), (String::new(), true));
}

fn parked_tls() {
    let origin = Origin::fixed();
    let (config, roots) = certificate("a.example");
    let mut draft = Draft::to(origin.address);
    draft.tls(config);
    draft.listener.limits.idle_timeout = Duration::from_secs(60);
    let rig = Rig::new(draft.finish());
    let at_rest = wait_for_tasks(&rig, "the worker says how it is", |tasks| tasks > 0);
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let mut session = connect(rig.address, "a.example", client);
    for _ in 0..3 {
        ask(&mut session);
        wait_for_tasks(&rig, "the session is parked", |tasks| tasks == at_rest);
    }
    assert_eq!((rig.count(Count::Accepted), rig.count(Count::Closed)), (1, 0));
}

fn over() {
    let (rig, at_rest, _origin) = rig(Duration::from_secs(3));
    let mut client = park(&rig, at_rest);
    assert_eq!(client.rest(), (String::new(), true));
    assert_eq!((rig.count(Count::Closed), rig.count(Count::LotFull)), (1, 0));
    wait_for_tasks(&rig, "nobody waits any more", |_| rig.block.level(Level::Parked) == 0);
}

fn drained() {
    let (mut rig, at_rest, _origin) = rig(Duration::from_secs(60));
    let mut client = park(&rig, at_rest);
    assert!(rig.helm.drain());
    assert_eq!(client.rest(), (String::new(), true));
    rig.drain();
}

fn counted() {
    let (rig, at_rest, _origin) = rig(Duration::from_secs(60));
    let mut client = park(&rig, at_rest);
    assert_eq!(rig.crowd.connections(), 1, "it still counts for its client");
    client.send(REQUEST);
    assert!(client.answer().starts_with("HTTP/1.1 200"));
    assert_eq!(rig.crowd.connections(), 1, "once, and not twice");
    wait_for_tasks(&rig, "it is parked again", |tasks| tasks == at_rest);
    drop(client);
    wait_for_tasks(&rig, "it has left", |_| rig.crowd.connections() == 0);
    assert_eq!((rig.count(Count::Accepted), rig.count(Count::Closed)), (1, 1));
}

fn banned() {
    let (rig, at_rest, _origin) = rig(Duration::from_secs(60));
    let mut client = park(&rig, at_rest);
    rig.crowd.bar(Barred::new([client.stream.local_addr().unwrap().ip()].into_iter(), 64));
    assert!(rig.helm.expel());
    assert_eq!(client.rest().0, "");
    assert_eq!(rig.count(Count::Closed), 1);
}
