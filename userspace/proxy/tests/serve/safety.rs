//! What keeps the operator safe from clients that leave, hang on, or come in numbers.
use crate::Test;
use crate::client::{Client, send};
use crate::origin::{Act, Origin, ok};
use crate::plans::Draft;
use crate::rig::Rig;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use weir_meter::Count;
use weir_plan::route::Action;

pub const TESTS: &[Test] = &[
    ("f6_a_client_that_leaves_takes_its_request_along", leaves_while_waiting),
    ("f6_a_client_that_ends_its_side_is_answered_nevertheless", half_closed),
    ("f6_a_client_that_ends_its_side_has_left_where_the_listener_says_so", half_closed_aborts),
    ("f6_a_client_that_leaves_in_the_middle_of_an_answer_is_noticed", leaves_while_reading),
    ("f6_a_reset_in_the_middle_of_an_upload_frees_both_sides", reset_upload),
    ("f6_a_client_that_stops_reading_is_given_up", stops_reading),
    ("f5_a_target_that_never_accepts_is_504_and_holds_nobody_up", deaf),
    ("one_address_has_only_so_many_connections", crowded),
    ("b32_other_methods_are_405_with_those_that_are_offered", methods),
    ("b24_options_go_as_far_as_they_may", max_forwards),
    ("b26_errors_say_what_went_wrong_where_that_is_wanted", proxy_status),
    ("b24_a_request_that_runs_in_circles_is_508", circles),
];

/// The target answers late or never, and is waited for much longer than this test lasts.
fn patient(origin: &Origin) -> Rig {
    lasting(Draft::to(origin.address))
}

fn lasting(mut draft: Draft) -> Rig {
    let patience = Duration::from_secs(60);
    let mut timeouts = draft.upstreams[0].timeouts.clone();
    (timeouts.first_byte, timeouts.idle) = (patience, patience);
    Arc::get_mut(&mut draft.rules[0].route).unwrap().timeouts = Some(timeouts);
    Rig::new(draft.finish())
}

#[expect(clippy::disallowed_methods, reason = "between two looks at a condition with a deadline")]
fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within 60 s");
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
        client.vanish();
        wait_for("its connection ends", || rig.count(Count::Closed) > closed);
    }
    assert_eq!(origin.seen().len(), 2, "nobody asked again for a client that is gone");
}

/// The first request is answered late.
fn late(number: usize, _: &[u8]) -> Act {
    if number == 0 { Act::Late(ok("late"), Duration::from_millis(200)) } else { Act::Send(ok("soon")) }
}

fn half_closed() {
    let origin = Origin::new(late);
    let rig = patient(&origin);
    for body in ["late", "soon"] {
        let mut client = Client::new(rig.address);
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
        client.finish_sending();
        let (answer, in_order) = client.rest();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(body) && in_order, "{answer:?}");
    }
    wait_for("its connection ends", || rig.count(Count::Closed) == 2);
}

fn half_closed_aborts() {
    let origin = Origin::new(|_, _| Act::Silence);
    let mut draft = Draft::to(origin.address);
    draft.listener.aborts_on_half_close = true;
    let rig = lasting(draft);
    let mut client = Client::new(rig.address);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_for("the request arrives", || origin.seen().len() == 1);
    client.finish_sending();
    assert_eq!(client.rest(), (String::new(), true));
    // The end comes with the last of the body, before anything is waited for.
    let mut client = Client::new(rig.address);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n");
    client.send("hi");
    client.finish_sending();
    assert_eq!(client.rest(), (String::new(), true));
}

fn leaves_while_reading() {
    let origin = Origin::new(|_, _| {
        Act::Echo(b"HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 100\r\n\r\npart".to_vec())
    });
    let rig = patient(&origin);
    let mut client = Client::new(rig.address);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = "HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 100\r\nVia: 1.1 weir\r\n\r\npart";
    assert_eq!(String::from_utf8(client.bytes(head.len())).unwrap(), head);
    client.vanish();
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

fn max_forwards() {
    let origin = Origin::fixed();
    let rig = Rig::new(Draft::to(origin.address).finish());
    let ask = |method: &str, left: &str| {
        let head =
            format!("{method} /x HTTP/1.1\r\nHost: a\r\nMax-Forwards: {left}\r\nConnection: close\r\n\r\n");
        send(rig.address, head)
    };
    assert!(ask("OPTIONS", "0").starts_with("HTTP/1.1 204 "));
    assert!(origin.seen().is_empty());
    assert!(ask("OPTIONS", "2").starts_with("HTTP/1.1 200 "));
    assert!(ask("OPTIONS", "many").starts_with("HTTP/1.1 200 "));
    assert!(ask("GET", "0").starts_with("HTTP/1.1 200 "));
    let left: Vec<String> = origin
        .seen()
        .iter()
        .flat_map(|seen| {
            seen.lines()
                .filter_map(|line| line.strip_prefix("Max-Forwards: "))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(left, ["1", "many", "0"]);
}

fn proxy_status() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for wanted in [false, true] {
        let mut draft = Draft::default();
        draft.listener.proxy_status = wanted;
        draft.route("/up", |draft| Action::Upstream(draft.upstream(&[nobody])));
        let rig = Rig::new(draft.finish());
        for (path, error) in [("/up", "connection_refused"), ("/none", "destination_not_found")] {
            let answer =
                send(rig.address, format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
            let line = format!("\r\nProxy-Status: weir; error={error}\r\n");
            assert_eq!(answer.contains(&line), wanted, "{path}: {answer}");
            assert_eq!(answer.contains("Proxy-Status"), wanted);
        }
    }
}

fn reset_upload() {
    let origin = Origin::fixed();
    let rig = patient(&origin);
    for framing in ["Content-Length: 100\r\n\r\npart", "Transfer-Encoding: chunked\r\n\r\n64\r\npart"] {
        let (closed, opened) = (rig.count(Count::Closed), origin.connections());
        let mut client = Client::new(rig.address);
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}"));
        wait_for("the target is connected", || origin.connections() > opened);
        client.vanish();
        wait_for("its connection ends", || rig.count(Count::Closed) > closed);
    }
    assert!(origin.seen().is_empty(), "half a body is no request");
    assert!(send(rig.address, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").ends_with("hello"));
}

fn stops_reading() {
    let origin = Origin::new(|_, _| Act::Send(ok(&"x".repeat(30_000_000))));
    let mut draft = Draft::to(origin.address);
    draft.impatient();
    let rig = Rig::new(draft.finish());
    let mut client = Client::new(rig.address);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_for("its connection ends", || rig.count(Count::Closed) == 1);
    let (got, in_order) = client.rest();
    assert!(!in_order || got.len() < 30_000_000, "what it has is not the whole, and it can see that");
}

/// A socket that listens and whose queue is full: the kernel drops whoever knocks.
fn deaf_socket() -> (std::os::fd::OwnedFd, SocketAddr, Vec<std::net::TcpStream>) {
    use nix::sys::socket::{
        AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, getsockname, listen, socket,
    };
    use std::os::fd::AsRawFd;
    let fd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
    bind(fd.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
    listen(&fd, Backlog::new(0).unwrap()).unwrap();
    let port = getsockname::<SockaddrIn>(fd.as_raw_fd()).unwrap().port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut queued = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        queued.push(stream);
    }
    (fd, address, queued)
}

fn deaf() {
    let (_listening, address, queued) = deaf_socket();
    assert!(!queued.is_empty() && queued.len() < 10);
    let origin = Origin::fixed();
    let mut draft = Draft::default();
    draft.route("/deaf", |draft| {
        drop(draft.upstream(&[address]));
        // Those who want the other target have all the time there is.
        Arc::get_mut(&mut draft.upstreams[0]).unwrap().timeouts.connect = Duration::from_millis(500);
        Action::Upstream(Arc::clone(&draft.upstreams[0]))
    });
    draft.route("/*", |draft| Action::Upstream(draft.upstream(&[origin.address])));
    let rig = Rig::new(draft.finish());
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut waiting: Vec<Client> = (0..20).map(|_| Client::new(rig.address)).collect();
    waiting.iter_mut().for_each(|client| client.send(get("/deaf")));
    let mut other = Client::new(rig.address);
    for _ in 0..50 {
        other.send(get("/"));
        assert!(other.answer().ends_with("hello"));
    }
    for client in &mut waiting {
        assert!(client.answer().starts_with("HTTP/1.1 504 "));
    }
    assert_eq!(rig.count(Count::UpstreamFailed), 20);
}
