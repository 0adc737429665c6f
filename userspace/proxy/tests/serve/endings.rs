//! A worker that has to end: what is on its way comes through, and whoever stays is told in good order.
use crate::Test;
use crate::client::Client;
use crate::origin::{Act, Origin, ok};
use crate::origin2::{Manner, Origin2};
use crate::plans::Draft;
use crate::rig::Rig;
use bytes::Bytes;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use weir_plan::Plan;
use weir_plan::listener::{Protocols, Service};
use weir_plan::upstream::UpProtocol;

pub const TESTS: &[Test] = &[
    ("b55_a_websocket_is_told_that_we_go_away", websocket),
    ("b55_a_websocket_over_h2_is_told_that_we_go_away", websocket_over_h2),
    ("b55_a_websocket_to_an_h2_upstream_is_told_that_we_go_away", websocket_to_h2),
    ("f22_nothing_that_is_on_its_way_fails", all_at_once),
];

/// Shortly before this is over, whoever is still there is told.
const DRAIN: Duration = Duration::from_secs(3);
const GOING_AWAY: [u8; 4] = [0x88, 2, 0x03, 0xe9];
const SWITCHING: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const UPGRADE: &str =
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n";
/// A text of five bytes, masked with zeros.
const FRAME: &[u8] = b"\x81\x85\0\0\0\0hello";

fn echo() -> Origin {
    Origin::new(|at, _| if at == 0 { Act::Send(ok("first")) } else { Act::Echo(SWITCHING.to_vec()) })
}

/// Everything goes to one origin, and may rest for longer than a drain takes.
fn lasting(origin: SocketAddr) -> Draft {
    let mut draft = Draft::default();
    draft.replace_upstream(origin, |upstream| upstream.timeouts.idle = Duration::from_secs(60));
    draft.drain_timeout = DRAIN;
    draft
}

fn websocket() {
    let origin = echo();
    let rig = Rig::new(lasting(origin.address).finish());
    let mut first = Client::new(rig.address);
    first.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    first.answer();
    let mut client = Client::new(rig.address);
    client.send(UPGRADE);
    client.bytes(SWITCHING.len());
    client.send(FRAME);
    assert_eq!(client.bytes(FRAME.len()), FRAME);
    // Half of a frame is on its way when draining begins: the rest of it comes before anything else.
    client.send(&FRAME[..4]);
    assert_eq!(client.bytes(4), FRAME[..4]);
    assert!(rig.helm.drain());
    client.send(&FRAME[4..]);
    assert_eq!(client.bytes(FRAME.len() - 4), FRAME[4..]);
    assert_eq!(client.bytes(4), GOING_AWAY);
    client.send([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9]);
    client.finish_sending();
    assert_eq!(client.rest(), (String::new(), true), "nothing follows, and the end is in good order");
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    runtime.block_on(local.run_until(async {
        tokio::time::timeout(Duration::from_secs(120), future).await.expect("a deadline")
    }))
}

async fn h2(address: SocketAddr) -> h2::client::SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (requests, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::task::spawn_local(async move {
        drop(connection.await);
    });
    requests
}

fn both(mut draft: Draft, change: impl FnOnce(&mut Plan)) -> Rig {
    draft.listener.service = Service::Http(Protocols { http1: true, http2: true });
    let mut plan = draft.finish();
    change(&mut plan);
    Rig::new(plan)
}

fn websocket_over_h2() {
    let origin = echo();
    let rig = both(lasting(origin.address), |_| {});
    block_on(async {
        let requests = h2(rig.address).await;
        let mut ready = requests.clone().ready().await.unwrap();
        let get = http::Request::get("http://a.example/").body(()).unwrap();
        assert_eq!(ready.send_request(get, true).unwrap().0.await.unwrap().status(), 200);
        let request = http::Request::builder().method("CONNECT").uri("http://a.example/chat");
        let request = request.header("sec-websocket-version", "13");
        let request = request.extension(h2::ext::Protocol::from_static("websocket")).body(()).unwrap();
        let mut ready = requests.clone().ready().await.unwrap();
        let (answer, mut upload) = ready.send_request(request, false).unwrap();
        let mut answer = answer.await.unwrap();
        upload.send_data(Bytes::from_static(FRAME), false).unwrap();
        let mut got = Vec::new();
        while got.len() < FRAME.len() {
            got.extend(answer.body_mut().data().await.unwrap().unwrap());
        }
        assert!(rig.helm.drain());
        got.clear();
        while let Some(data) = answer.body_mut().data().await {
            got.extend(data.unwrap());
        }
        assert_eq!(got, GOING_AWAY, "and then the stream ends");
        upload.send_data(Bytes::new(), true).unwrap();
    });
}

/// The target is reached by a stream of HTTP/2; what the client is told does not depend on that.
fn websocket_to_h2() {
    let origin = Origin2::new(Manner { connect_protocol: true, ..Manner::default() });
    let mut draft = Draft::default();
    draft.replace_upstream(origin.address, |upstream| {
        upstream.protocol = UpProtocol::H2;
        upstream.timeouts.idle = Duration::from_secs(60);
    });
    draft.drain_timeout = DRAIN;
    let rig = Rig::new(draft.finish());
    let mut client = Client::new(rig.address);
    client.send(UPGRADE.replace("GET / ", "GET /frames "));
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(client.bytes(1));
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    client.send(&FRAME[..4]);
    assert_eq!(client.bytes(4), FRAME[..4]);
    assert!(rig.helm.drain());
    client.send(&FRAME[4..]);
    assert_eq!(client.bytes(FRAME.len() - 4), FRAME[4..], "a frame that has begun comes first");
    assert_eq!(client.bytes(4), GOING_AWAY);
    client.finish_sending();
    assert_eq!(client.rest(), (String::new(), true), "nothing follows, and the end is in good order");
}

const H1: usize = 1000;
const H2: usize = 100;
const WEBSOCKETS: usize = 20;

/// An origin that changes protocols at once, and answers everything else when it is let.
async fn patient(seen: Rc<watch::Sender<usize>>, go: watch::Receiver<bool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::task::spawn_local(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (seen, mut go) = (Rc::clone(&seen), go.clone());
            tokio::task::spawn_local(async move {
                let head = head(&mut stream).await?;
                seen.send_modify(|seen| *seen += 1);
                if head.contains("websocket") {
                    stream.write_all(SWITCHING).await.ok()?;
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await.ok()?;
                    return Some(());
                }
                go.wait_for(|go| *go).await.ok()?;
                stream.write_all(&ok("hello")).await.ok()
            });
        }
    });
    address
}

/// Everything up to the end of a head; nothing if it never comes.
async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

async fn over_h1(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
    assert!(answer.contains("Connection: close\r\n"), "{answer}");
}

async fn over_h2(address: SocketAddr) {
    let mut ready = h2(address).await.ready().await.unwrap();
    let get = http::Request::get("http://a.example/").body(()).unwrap();
    let answer = ready.send_request(get, true).unwrap().0.await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.into_body().data().await.unwrap().unwrap(), "hello");
}

async fn over_websocket(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(UPGRADE.as_bytes()).await.unwrap();
    assert!(head(&mut stream).await.unwrap().starts_with("HTTP/1.1 101"));
    stream.write_all(FRAME).await.unwrap();
    let mut got = vec![0; FRAME.len() + 4];
    stream.read_exact(&mut got).await.unwrap();
    assert_eq!(got, [FRAME, &GOING_AWAY].concat());
    stream.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut got).await.unwrap(), 0);
}

/// The pass mark of F22: with a thousand connections of HTTP/1, a hundred of HTTP/2 and WebSockets none fails before the
/// deadline.
fn all_at_once() {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(20_000).max(soft), hard).unwrap();
    block_on(async {
        let (seen, mut arrived) = watch::channel(0);
        let (go, may_go) = watch::channel(false);
        let origin = patient(Rc::new(seen), may_go).await;
        let mut draft = Draft::default();
        draft.replace_upstream(origin, |upstream| {
            let most = 10_000;
            upstream.breaker = weir_plan::upstream::Breaker {
                connections_max: most,
                pending_max: most,
                requests_max: most,
                retries_max: most,
            };
            upstream.timeouts.connect = Duration::from_secs(30);
            upstream.timeouts.first_byte = Duration::from_secs(30);
            upstream.timeouts.idle = Duration::from_secs(30);
        });
        let rig = both(draft, |plan| {
            (plan.limits.connections_max, plan.limits.connections_per_ip_max) = (10_000, 10_000);
            plan.limits.drain_timeout = Duration::from_secs(10);
        });
        let address = rig.address;
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..H1 {
            clients.spawn_local(over_h1(address));
        }
        for _ in 0..H2 {
            clients.spawn_local(over_h2(address));
        }
        for _ in 0..WEBSOCKETS {
            clients.spawn_local(over_websocket(address));
        }
        arrived.wait_for(|seen| *seen == H1 + H2 + WEBSOCKETS).await.unwrap();
        assert!(rig.helm.drain());
        go.send(true).unwrap();
        while let Some(client) = clients.join_next().await {
            client.expect("no client fails");
        }
        tokio::task::spawn_blocking(move || drop(rig)).await.unwrap();
        assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    });
}
