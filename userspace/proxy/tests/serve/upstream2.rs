//! HTTP/2 with targets: streams of clients on shared connections, and what becomes of them when those end.
use crate::Test;
use crate::client::{Client, send};
use crate::origin::{Act, Origin};
use crate::origin2::{Manner, Origin2, tls, tls_to};
use crate::plans::Draft;
use crate::rig::Rig;
use rustls::{ClientConfig, RootCertStore};
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use weir_meter::Count;
use weir_plan::route::Action;
use weir_plan::tls::{Renewable, UpTls};
use weir_plan::upstream::{UpProtocol, Upstream};

pub const TESTS: &[Test] = &[
    ("h2_upstream_serves_http_1_clients", serves),
    ("h2_upstream_bodies_and_trailers_go_both_ways", echoes),
    ("h2_upstream_heads_come_back_as_they_went", mirrored),
    ("h2_upstream_connections_are_shared", shared),
    ("h2_upstream_streams_max_is_respected", streams_max),
    ("h2_upstream_waits_no_longer_than_a_connect_may_take", full),
    ("h2_upstream_goaway_moves_requests_to_a_new_connection", goaway),
    ("h2_upstream_refused_streams_are_asked_once_more", refused),
    ("h2_upstream_reset_shows_as_truncation", reset),
    ("h2_upstream_answers_before_the_upload_ends", early),
    ("h2_upstream_interim_answers_are_passed_on", hints),
    ("h2_upstream_stalled_client_does_not_hold_up_others", stalled),
    ("h2_upstream_silence_is_a_timeout_and_the_stream_is_cancelled", silent),
    ("f5_h2_upstream_that_is_frozen_gets_no_second_request_on_the_same_connection", frozen),
    ("b33_websocket_to_an_h2_upstream", websocket),
    ("b33_an_h2_upstream_without_websockets_is_502", no_websocket),
    ("b33_a_websocket_goes_another_way_if_h2_has_none", by_http_1),
    ("h2_upstream_is_chosen_by_alpn", alpn),
];

/// Everything goes to one origin by HTTP/2.
pub fn to(origin: SocketAddr, change: impl FnOnce(&mut Upstream)) -> Rig {
    Rig::new(draft_to(origin, change).finish())
}

fn draft_to(origin: SocketAddr, change: impl FnOnce(&mut Upstream)) -> Draft {
    let mut draft = Draft::default();
    draft.replace_upstream(origin, |own| {
        own.protocol = UpProtocol::H2;
        own.retry.attempts_max = 0;
        change(own);
    });
    draft
}

pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n")
}

fn fetch(rig: &Rig, path: &str) -> String {
    let mut client = Client::new(rig.address);
    client.send(get(path));
    client.answer()
}

fn serves() {
    let origin = Origin2::new(Manner::default());
    let rig = to(origin.address, |_| {});
    let mut client = Client::new(rig.address);
    client.send(get("/x/../y?z=%20"));
    let answer = client.answer();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("chunked"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), "{answer}");
    client.send(get("/empty"));
    assert!(client.answer().contains("Content-Length: 0\r\n"));
    assert_eq!(
        origin.seen(|seen| seen.requests.clone()),
        ["GET http://a.example/y?z=%20", "GET http://a.example/empty"]
    );
}

fn echoes() {
    let origin = Origin2::new(Manner::default());
    let rig = to(origin.address, |_| {});
    let mut client = Client::new(rig.address);
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: te\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send("5\r\nhello\r\n0\r\nGrpc-Status: 7\r\nX-Other: 1\r\n\r\n");
    let mut seen = String::new();
    while !seen.ends_with("grpc-status: 7\r\n\r\n") {
        seen.push(char::from(client.bytes(1)[0]));
    }
    assert!(seen.contains("x-te: trailers\r\n") && seen.contains("\r\n5\r\nhello\r\n0\r\n"), "{seen}");
    let body = "y".repeat(1_000_000);
    client.send(format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    let answer = client.answer();
    assert_eq!(answer.matches('y').count(), body.len());
}

/// Through the tables and codes of another implementation, whose table is filled many times over.
fn mirrored() {
    let origin = Origin2::new(Manner::default());
    let rig = to(origin.address, |_| {});
    let mut client = Client::new(rig.address);
    let mut state = 7_u32;
    let mut draw = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % below
    };
    for _ in 0..400 {
        let fields: Vec<String> = (0..draw(12))
            .map(|_| {
                let value: String = (0..draw(60)).map(|_| char::from(b'!' + draw(94) as u8)).collect();
                format!("x-{}: {value}\r\n", draw(20))
            })
            .collect();
        client.send(format!("GET /mirror HTTP/1.1\r\nHost: a\r\n{}\r\n", fields.concat()));
        let answer = client.answer();
        let mut came: Vec<&str> =
            answer.split_inclusive('\n').filter(|line| line.starts_with("x-")).collect();
        let mut went: Vec<&str> = fields.iter().map(String::as_str).collect();
        // Fields of one name keep their order; the other implementation sorts by name.
        let name = |line: &&str| line.split(':').next().map(str::to_owned);
        came.sort_by_key(name);
        went.sort_by_key(name);
        assert_eq!(came, went);
    }
}

fn shared() {
    let origin = Origin2::new(Manner { gather: 50, ..Manner::default() });
    let rig = to(origin.address, |_| {});
    let mut clients: Vec<Client> = (0..50).map(|_| Client::new(rig.address)).collect();
    clients.iter_mut().for_each(|client| client.send(get("/gather")));
    assert!(clients.iter_mut().all(|client| client.answer().contains("hello")));
    assert_eq!(origin.seen(|seen| (seen.connections, seen.streams_peak)), (1, 50));
    assert_eq!(rig.count(Count::UpstreamOpened), 1);
}

fn streams_max() {
    let origin = Origin2::new(Manner { streams_max: Some(2), gather: 6, ..Manner::default() });
    let rig = to(origin.address, |upstream| upstream.keep_alive.connections_max = 3);
    let mut clients: Vec<Client> = (0..20).map(|_| Client::new(rig.address)).collect();
    clients.iter_mut().for_each(|client| client.send(get("/gather")));
    assert!(clients.iter_mut().all(|client| client.answer().contains("hello")));
    assert_eq!(origin.seen(|seen| (seen.connections, seen.streams_peak)), (3, 2));
}

fn full() {
    let origin = Origin2::new(Manner { streams_max: Some(1), ..Manner::default() });
    let mut draft = draft_to(origin.address, |upstream| {
        upstream.keep_alive.connections_max = 1;
        upstream.breaker.pending_max = 1;
        upstream.timeouts.connect = Duration::from_millis(500);
    });
    draft.drain_timeout = Duration::from_secs(1);
    let rig = Rig::new(draft.finish());
    let mut held = Client::new(rig.address);
    held.send(get("/silent"));
    wait(|| origin.seen(|seen| seen.requests.len() == 1));
    let mut late = Client::new(rig.address);
    late.send(get("/"));
    assert!(late.answer().starts_with("HTTP/1.1 504"), "no place came free in time");
}

fn goaway() {
    let origin = Origin2::new(Manner::default());
    let rig = to(origin.address, |_| {});
    for _ in 0..5 {
        assert!(fetch(&rig, "/leave").contains("hello"));
        assert!(fetch(&rig, "/").contains("hello"));
    }
    assert!(origin.seen(|seen| seen.connections) >= 2);
}

fn refused() {
    let origin = Origin2::new(Manner::default());
    let rig = to(origin.address, |_| {});
    let answer = send(
        rig.address,
        "POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(origin.seen(|seen| seen.requests.len()), 2);
    assert_eq!(rig.count(Count::Retried), 1);
}

fn reset() {
    let origin = Origin2::new(Manner::default());
    let rig = to(origin.address, |_| {});
    let mut client = Client::new(rig.address);
    client.send("GET /break HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let (got, whole) = client.rest();
    // Either the client had something of the answer, or it is told that there was none.
    let told = got.starts_with("HTTP/1.1 502 ");
    assert!(whole && (told || got.starts_with("HTTP/1.1 200 ") && got.ends_with("\r\n\r\nhello")), "{got}");
}

fn early() {
    let origin = Origin2::new(Manner::default());
    let rig = to(origin.address, |_| {});
    let mut client = Client::new(rig.address);
    client.send("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
    assert!(client.answer().starts_with("HTTP/1.1 418"));
}

fn hints() {
    let origin = Origin2::new(Manner::default());
    let rig = to(origin.address, |_| {});
    let mut client = Client::new(rig.address);
    client.send(get("/hints"));
    let first = String::from_utf8(client.bytes(16)).unwrap();
    assert_eq!(first, "HTTP/1.1 103 Ear");
}

fn stalled() {
    let origin = Origin2::new(Manner::default());
    let rig = to(origin.address, |_| {});
    // These take the whole window of their streams and read nothing.
    let mut sleepers: Vec<Client> = (0..20).map(|_| Client::new(rig.address)).collect();
    sleepers.iter_mut().for_each(|client| client.send(get("/big")));
    wait(|| origin.seen(|seen| seen.requests.len() == 20));
    for _ in 0..20 {
        assert!(fetch(&rig, "/").contains("hello"));
    }
    assert_eq!(origin.seen(|seen| seen.connections), 1);
}

fn silent() {
    let origin = Origin2::new(Manner::default());
    let mut draft = draft_to(origin.address, |_| {});
    let mut timeouts = draft.upstreams[0].timeouts.clone();
    timeouts.first_byte = Duration::from_millis(150);
    let impatient = draft.route("/silent", |draft| Action::Upstream(Arc::clone(&draft.upstreams[0])));
    impatient.timeouts = Some(timeouts);
    let rig = Rig::new(draft.finish());
    assert!(fetch(&rig, "/silent").starts_with("HTTP/1.1 504"));
    wait(|| origin.seen(|seen| seen.resets == [h2::Reason::CANCEL]));
    // The connection is asked whether it lives, says so, and is used again.
    wait(|| {
        fetch(&rig, "/");
        origin.seen(|seen| seen.connections) <= 2
    });
    // A client that goes away takes its stream along.
    let mut client = Client::new(rig.address);
    client.send(get("/silent"));
    drop(client);
    wait(|| origin.seen(|seen| seen.resets.len() == 2));
}

fn frozen() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut draft = draft_to(listener.local_addr().unwrap(), |upstream| {
        upstream.timeouts.first_byte = Duration::from_millis(100);
    });
    draft.drain_timeout = Duration::from_secs(1);
    let rig = Rig::new(draft.finish());
    let mut frozen = Vec::new();
    for _ in 0..2 {
        let mut client = Client::new(rig.address);
        client.send(get("/"));
        // It says that it speaks HTTP/2, and nothing more.
        frozen.push(listener.accept().unwrap().0);
        frozen.last_mut().unwrap().write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap();
        assert!(client.answer().starts_with("HTTP/1.1 504"));
    }
    assert_eq!(rig.count(Count::UpstreamOpened), 2);
}

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/// What the origin says first: the protocol that it was asked for, and whether it has got a key.
const FIRST: &str = "Some(\"websocket\") false ";

/// RFC 8441 towards the target, RFC 6455 towards one client and RFC 8441 towards the other.
fn websocket() {
    let origin = Origin2::new(Manner { connect_protocol: true, ..Manner::default() });
    let rig = to(origin.address, |_| {});
    let mut client = Client::new(rig.address);
    client.send(UPGRADE);
    client.send("early");
    let want = "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
        Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(String::from_utf8(client.bytes(want.len())).unwrap(), want);
    let said = format!("{FIRST}early");
    assert_eq!(String::from_utf8(client.bytes(said.len())).unwrap(), said);
    let much = "y".repeat(300_000);
    let writer = client.stream.try_clone().unwrap();
    let sent = much.clone();
    let thread = std::thread::spawn(move || (&writer).write_all(sent.as_bytes()).unwrap());
    assert!(client.bytes(much.len()) == much.as_bytes());
    thread.join().unwrap();
    client.finish_sending();
    assert_eq!(client.rest(), (String::new(), true), "the end goes through and comes back");
    assert_eq!(origin.seen(|seen| seen.requests.clone()), ["CONNECT http://a/chat"]);
    crate::http2::websocket_to(&rig_with_h2(origin.address), FIRST);
}

fn rig_with_h2(origin: SocketAddr) -> Rig {
    let mut draft = Draft::default();
    draft.listener.service =
        weir_plan::listener::Service::Http(weir_plan::listener::Protocols { http1: true, http2: true });
    drop(draft.upstream(&[origin]));
    Arc::get_mut(&mut draft.upstreams[0]).unwrap().protocol = UpProtocol::H2;
    draft.route("/*", |draft| weir_plan::route::Action::Upstream(Arc::clone(&draft.upstreams[0])));
    Rig::new(draft.finish())
}

fn no_websocket() {
    let origin = Origin2::new(Manner::default());
    let rig = to(origin.address, |_| {});
    let mut client = Client::new(rig.address);
    client.send(UPGRADE);
    let answer = client.answer();
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("does not carry WebSockets"), "{answer}");
    assert!(origin.seen(|seen| seen.requests.is_empty()));
}

/// An upstream that is reached by TLS, with whatever it agrees to.
fn agreed(roots: &RootCertStore) -> impl Fn(&mut Upstream) {
    move |upstream| {
        let client = ClientConfig::builder().with_root_certificates(roots.clone());
        let mut client = client.with_no_client_auth();
        client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let names = vec!["a.example".try_into().unwrap()];
        upstream.tls = Some(Renewable::new(Arc::new(UpTls { config: Arc::new(client), names, digest: 0 })));
        upstream.protocol = UpProtocol::Auto;
    }
}

/// One that chooses HTTP/2 and carries no WebSocket by it is asked by HTTP/1 for those, and by HTTP/2 for all else.
fn by_http_1() {
    const SWITCHING: &str =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let origin = Origin2::new(Manner::default());
    let plain = Origin::new(|_, _| Act::Echo(SWITCHING.into()));
    let (config, roots) = crate::tls::certificate("a.example");
    let mut config = Arc::unwrap_or_clone(config);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let rig = to(tls_to(Arc::new(config), [origin.address, plain.address]), agreed(&roots));
    for count in 1..=2 {
        let mut client = Client::new(rig.address);
        client.send(UPGRADE);
        assert_eq!(String::from_utf8(client.bytes(SWITCHING.len())).unwrap(), SWITCHING);
        client.send("any bytes");
        assert_eq!(client.bytes(9), b"any bytes");
        assert!(fetch(&rig, "/").contains("hello"));
        assert_eq!((origin.seen(|seen| seen.requests.len()), plain.connections()), (count, count));
    }
    assert_eq!(origin.seen(|seen| seen.connections), 1, "that was found out once");
    assert!(plain.seen().iter().all(|head| head.starts_with("GET /chat HTTP/1.1\r\n")));
}

fn alpn() {
    let origin = Origin2::new(Manner::default());
    let (config, roots) = crate::tls::certificate("a.example");
    let mut config = Arc::unwrap_or_clone(config);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let outer = tls(Arc::new(config.clone()), origin.address);
    let rig = to(outer, agreed(&roots));
    assert!(fetch(&rig, "/").contains("hello"));
    assert!(fetch(&rig, "/").contains("hello"));
    assert_eq!(origin.seen(|seen| (seen.connections, seen.requests.len())), (1, 2));
    // Another target chooses HTTP/1.
    let plain = Origin::fixed();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let outer = tls(Arc::new(config), plain.address);
    let rig = to(outer, agreed(&roots));
    assert!(fetch(&rig, "/").ends_with("hello"));
    assert!(fetch(&rig, "/").ends_with("hello"));
    assert_eq!(plain.connections(), 1);
}

/// Waits for a condition.
pub fn wait(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "it did not come to pass");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}
