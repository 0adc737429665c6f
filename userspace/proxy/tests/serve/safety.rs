//! What keeps the operator safe from clients that leave, hang on, or come in numbers.
use crate::Test;
use crate::client::{Client, send};
use crate::origin::{Act, Origin};
use crate::plans::Draft;
use crate::rig::Rig;
use std::sync::Arc;
use std::time::{Duration, Instant};
use weir_meter::Count;

pub const TESTS: &[Test] = &[
    ("f6_a_client_that_leaves_takes_its_request_along", leaves_while_waiting),
    ("f6_a_client_that_leaves_in_the_middle_of_an_answer_is_noticed", leaves_while_reading),
    ("one_address_has_only_so_many_connections", crowded),
    ("b32_other_methods_are_405_with_those_that_are_offered", methods),
    ("b24_a_request_that_runs_in_circles_is_508", circles),
];

/// The target answers late or never, and is waited for much longer than this test lasts.
fn patient(origin: &Origin) -> Rig {
    let mut draft = Draft::to(origin.address);
    let patience = Duration::from_secs(60);
    let mut timeouts = draft.upstreams[0].timeouts.clone();
    (timeouts.first_byte, timeouts.idle) = (patience, patience);
    Arc::get_mut(&mut draft.rules[0].route).unwrap().timeouts = Some(timeouts);
    Rig::new(draft.finish())
}

#[expect(clippy::disallowed_methods, reason = "between two looks at a condition with a deadline")]
fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within 5 s");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn leaves_while_waiting() {
    let origin = Origin::new(|_, _| Act::Silence);
    let rig = patient(&origin);
    for request in
        ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"]
    {
        let seen = origin.seen().len();
        let closed = rig.count(Count::Closed);
        let mut client = Client::new(rig.address);
        client.send(request);
        wait_for("the request arrives", || origin.seen().len() > seen);
        assert_eq!(rig.count(Count::Closed), closed);
        drop(client);
        wait_for("its connection ends", || rig.count(Count::Closed) > closed);
    }
    assert_eq!(origin.seen().len(), 2, "nobody asked again for a client that is gone");
}

fn leaves_while_reading() {
    let origin =
        Origin::new(|_, _| Act::Echo(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart".to_vec()));
    let rig = patient(&origin);
    let mut client = Client::new(rig.address);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nVia: 1.1 weir\r\n\r\npart";
    assert_eq!(String::from_utf8(client.bytes(head.len())).unwrap(), head);
    drop(client);
    wait_for("its connection ends", || rig.count(Count::Closed) == 1);
}

fn crowded() {
    let origin = Origin::fixed();
    let mut plan = Draft::to(origin.address).finish();
    plan.limits.connections_per_ip_max = 2;
    let rig = Rig::new(plan);
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut clients = [Client::new(rig.address), Client::new(rig.address)];
    for client in &mut clients {
        client.send(request);
        client.answer();
    }
    assert_eq!(Client::new(rig.address).rest(), (String::new(), true), "closed unserved");
    assert_eq!(rig.count(Count::Shed), 1);
    drop(clients);
    wait_for("both have left", || rig.count(Count::Closed) == 3);
    let mut again = Client::new(rig.address);
    again.send(request);
    assert!(again.answer().ends_with("hello"));
}

fn methods() {
    let origin = Origin::fixed();
    let mut draft = Draft::to(origin.address);
    draft.rules[0].conditions.methods = vec!["POST".into(), "GET".into()];
    let rig = Rig::new(draft.finish());
    let answer = send(rig.address, "DELETE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"), "{answer}");
    assert!(answer.contains("\r\nAllow: GET, POST\r\n"), "{answer}");
    assert!(origin.seen().is_empty());
}

fn circles() {
    let origin = Origin::fixed();
    let rig = Rig::new(Draft::to(origin.address).finish());
    let via = |times: usize| {
        let passed = "Via: 1.1 weir\r\n".repeat(times);
        send(rig.address, format!("GET / HTTP/1.1\r\nHost: a\r\n{passed}Connection: close\r\n\r\n"))
    };
    assert!(via(2).starts_with("HTTP/1.1 200 "));
    assert!(via(8).starts_with("HTTP/1.1 508 "));
    assert_eq!(origin.seen().len(), 1);
}
