//! HTTP/2 with clients: prior knowledge and TLS, bodies, trailers, many streams, and clients that misbehave.
use crate::Test;
use crate::client::Client;
use crate::origin::{Act, Origin, ok};
use crate::plans::{Draft, respond};
use crate::rig::Rig;
use bytes::Bytes;
use std::future::Future;
use std::net::SocketAddr;
use weir_plan::listener::{Protocols, Service};

pub const TESTS: &[Test] = &[
    ("h2_requests_reach_the_origin", requests),
    ("h2_bodies_and_trailers", bodies),
    ("h2_many_streams_at_once", many),
    ("h2_and_http_1_share_a_listener", shared),
    ("h2_large_answers_wait_for_the_window", large),
    ("c1_rapid_reset_is_stopped", rapid_reset),
    ("b36_grpc_errors_are_trailers_only", grpc_errors),
    ("b33_websocket_over_h2", websocket),
    ("b33_an_extended_connect_gets_a_tunnel_or_an_error", no_tunnel),
    ("b55_h2_is_told_to_go", draining),
];

fn both(mut draft: Draft) -> Rig {
    draft.listener.service = Service::Http(Protocols { http1: true, http2: true });
    Rig::new(draft.finish())
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    runtime.block_on(local.run_until(async {
        tokio::time::timeout(std::time::Duration::from_secs(60), future).await.expect("a deadline")
    }))
}

pub type Requests = h2::client::SendRequest<Bytes>;

pub async fn connect(address: SocketAddr) -> Requests {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (requests, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::task::spawn_local(async move {
        let _ = connection.await;
    });
    requests
}

fn get(path: &str) -> http::Request<()> {
    http::Request::get(format!("http://a.example{path}")).header("x-a", "1").body(()).unwrap()
}

async fn body(answer: &mut http::Response<h2::RecvStream>) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(data) = answer.body_mut().data().await {
        let data = data.unwrap();
        let _ = answer.body_mut().flow_control().release_capacity(data.len());
        all.extend_from_slice(&data);
    }
    all
}

async fn fetch(requests: &Requests, request: http::Request<()>) -> (u16, Vec<u8>) {
    let mut ready = requests.clone().ready().await.unwrap();
    let (answer, _) = ready.send_request(request, true).unwrap();
    let mut answer = answer.await.unwrap();
    (answer.status().as_u16(), body(&mut answer).await)
}

fn requests() {
    let origin = Origin::fixed();
    let rig = both(Draft::to(origin.address));
    block_on(async {
        let requests = connect(rig.address).await;
        let mut request = get("/x/../y?z");
        request.headers_mut().append("cookie", "a=b".parse().unwrap());
        request.headers_mut().append("cookie", "c=d".parse().unwrap());
        assert_eq!(fetch(&requests, request).await, (200, b"hello".to_vec()));
        assert_eq!(fetch(&requests, get("/%2f")).await.0, 400);
    });
    assert_eq!(
        origin.seen(),
        ["GET /y?z HTTP/1.1\r\nx-a: 1\r\ncookie: a=b; c=d\r\nHost: a.example\r\nVia: 2 weir\r\n\r\n"]
    );
}

fn bodies() {
    let origin = Origin::new(|_, _| {
        Act::Send(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nGrpc-Status: 0\r\n\r\n"
                .to_vec(),
        )
    });
    let rig = both(Draft::to(origin.address));
    block_on(async {
        let requests = connect(rig.address).await;
        let request = http::Request::post("http://a.example/").body(()).unwrap();
        let mut ready = requests.clone().ready().await.unwrap();
        let (answer, mut upload) = ready.send_request(request, false).unwrap();
        upload.send_data(Bytes::from_static(b"hel"), false).unwrap();
        upload.send_data(Bytes::from_static(b"lo"), true).unwrap();
        let mut answer = answer.await.unwrap();
        assert!(answer.headers().get("transfer-encoding").is_none());
        assert_eq!(body(&mut answer).await, b"abc");
        let trailers = answer.body_mut().trailers().await.unwrap().unwrap();
        assert_eq!(trailers["grpc-status"], "0");
    });
    let seen = origin.seen().remove(0);
    let (_, sent) = seen.split_once("\r\n\r\n").unwrap();
    assert!(sent == "5\r\nhello\r\n0\r\n\r\n" || sent == "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "{seen}");
}

fn many() {
    let origin = Origin::new(|_, message| {
        let path = message.split(|byte| *byte == b' ').nth(1).unwrap();
        Act::Send(ok(std::str::from_utf8(path).unwrap()))
    });
    let rig = both(Draft::to(origin.address));
    block_on(async {
        let requests = connect(rig.address).await;
        let mut tasks = Vec::new();
        for at in 0..90 {
            let requests = requests.clone();
            tasks.push(tokio::task::spawn_local(async move {
                let path = format!("/{at}");
                assert_eq!(fetch(&requests, get(&path)).await, (200, path.into_bytes()));
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(origin.seen().len(), 90);
}

fn shared() {
    let mut draft = Draft::default();
    draft.route("/*", |_| respond(200, "made here"));
    let rig = both(draft);
    let mut client = Client::new(rig.address);
    client.send("G");
    client.send("ET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.answer().ends_with("made here"));
    block_on(async {
        let requests = connect(rig.address).await;
        assert_eq!(fetch(&requests, get("/")).await, (200, b"made here".to_vec()));
    });
}

fn large() {
    let origin = Origin::new(|_, _| Act::Send(ok(&"x".repeat(2_000_000))));
    let rig = both(Draft::to(origin.address));
    block_on(async {
        let requests = connect(rig.address).await;
        let (one, two) = (fetch(&requests, get("/1")), fetch(&requests, get("/2")));
        let (one, two) = futures_join(one, two).await;
        assert_eq!((one.1.len(), two.1.len()), (2_000_000, 2_000_000));
    });
}

async fn futures_join<A: 'static, B: 'static>(
    one: impl Future<Output = A>,
    two: impl Future<Output = B>,
) -> (A, B) {
    tokio::join!(one, two)
}

/// C1: streams that are opened and reset at once. The connection must be ended long before ten thousand of them.
fn rapid_reset() {
    let origin = Origin::fixed();
    let rig = both(Draft::to(origin.address));
    let stopped = block_on(async {
        let requests = connect(rig.address).await;
        for at in 0..10_000 {
            let Ok(mut ready) = requests.clone().ready().await else { return at };
            let Ok((answer, mut upload)) = ready.send_request(get("/"), false) else { return at };
            upload.send_reset(h2::Reason::CANCEL);
            drop(answer);
            tokio::task::yield_now().await;
        }
        10_000
    });
    assert!(stopped < 10_000, "never stopped");
    // Others are served as before.
    let mut client = Client::new(rig.address);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.answer().ends_with("hello"));
}

fn grpc_errors() {
    let origin = crate::origin2::Origin2::new(crate::origin2::Manner::default());
    let mut draft = Draft::default();
    draft.route("/silent", |draft| {
        drop(draft.upstream(&[origin.address]));
        let own = std::sync::Arc::get_mut(&mut draft.upstreams[0]).unwrap();
        own.protocol = weir_plan::upstream::UpProtocol::H2;
        weir_plan::route::Action::Upstream(std::sync::Arc::clone(&draft.upstreams[0]))
    });
    let rig = both(draft);
    block_on(async {
        let requests = connect(rig.address).await;
        for (path, status) in [("/silent", "4"), ("/elsewhere", "12")] {
            let request = http::Request::post(format!("http://a.example{path}"))
                .header("content-type", "application/grpc+proto")
                .header("grpc-timeout", "50m")
                .header("te", "trailers");
            let mut ready = requests.clone().ready().await.unwrap();
            let (answer, _upload) = ready.send_request(request.body(()).unwrap(), false).unwrap();
            let answer = answer.await.unwrap();
            let head = answer.headers();
            assert_eq!((answer.status().as_u16(), &head["grpc-status"]), (200, &status.parse().unwrap()));
            assert_eq!(head["content-type"], "application/grpc");
            assert!(head.get("content-length").is_none() && !head["grpc-message"].is_empty());
            assert!(answer.body().is_end_stream(), "the head is all");
        }
    });
}

async fn connect_protocol(
    requests: &Requests,
    protocol: &'static str,
) -> (http::Response<h2::RecvStream>, h2::SendStream<Bytes>) {
    let mut request = http::Request::builder().method("CONNECT").uri("http://a.example/chat");
    request =
        request.header("sec-websocket-version", "13").extension(h2::ext::Protocol::from_static(protocol));
    let mut ready = requests.clone().ready().await.unwrap();
    let (answer, upload) = ready.send_request(request.body(()).unwrap(), false).unwrap();
    (answer.await.unwrap(), upload)
}

fn websocket() {
    let origin = Origin::new(|at, _| {
        match at {
        0 => Act::Send(ok("first")),
        _ => Act::Echo(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nearly"
                .to_vec(),
        ),
    }
    });
    let rig = both(Draft::to(origin.address));
    block_on(async {
        let requests = connect(rig.address).await;
        assert_eq!(fetch(&requests, get("/")).await.0, 200);
        assert!(requests.is_extended_connect_protocol_enabled());
        let (mut answer, mut upload) = connect_protocol(&requests, "websocket").await;
        assert_eq!(answer.status(), 200);
        assert!(answer.headers().get("sec-websocket-accept").is_none());
        upload.send_data(Bytes::from_static(b" hello"), false).unwrap();
        let mut got = Vec::new();
        while got.len() < 11 {
            got.extend(answer.body_mut().data().await.unwrap().unwrap());
        }
        assert_eq!(got, b"early hello");
        upload.send_data(Bytes::new(), true).unwrap();
        assert_eq!(body(&mut answer).await, b"", "the end goes through and comes back");
    });
    let seen = origin.seen().remove(1);
    assert!(seen.starts_with("GET /chat HTTP/1.1\r\n") && seen.contains("Upgrade: websocket\r\n"), "{seen}");
    let key = seen.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    assert!(key.len() == 24 && key.ends_with("=="), "{key}");
}

/// A client of HTTP/2 says something to a target that says something first and then echoes.
pub fn websocket_to(rig: &Rig, first: &str) {
    block_on(async {
        let requests = connect(rig.address).await;
        assert_eq!(fetch(&requests, get("/")).await.0, 200);
        let (mut answer, mut upload) = connect_protocol(&requests, "websocket").await;
        assert_eq!(answer.status(), 200);
        upload.send_data(Bytes::from_static(b"hello"), false).unwrap();
        let mut got = Vec::new();
        while got.len() < first.len() + 5 {
            got.extend(answer.body_mut().data().await.unwrap().unwrap());
        }
        assert_eq!(String::from_utf8(got).unwrap(), format!("{first}hello"));
        upload.send_data(Bytes::new(), true).unwrap();
        assert_eq!(body(&mut answer).await, b"");
    });
}

fn no_tunnel() {
    // The target does not change protocols: what would be a success must not look like a tunnel.
    let origin = Origin::new(|at, _| match at {
        2 => Act::Send(b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n".to_vec()),
        _ => Act::Send(ok("no")),
    });
    let rig = both(Draft::to(origin.address));
    block_on(async {
        let requests = connect(rig.address).await;
        fetch(&requests, get("/")).await;
        assert_eq!(connect_protocol(&requests, "websocket").await.0.status(), 502);
        assert_eq!(connect_protocol(&requests, "websocket").await.0.status(), 426);
        assert_eq!(connect_protocol(&requests, "connect-udp").await.0.status(), 405);
    });
}

fn draining() {
    let origin = Origin::fixed();
    let mut draft = Draft::to(origin.address);
    // The client cannot answer meanwhile.
    draft.drain_timeout = std::time::Duration::from_secs(1);
    let mut rig = both(draft);
    block_on(async {
        let requests = connect(rig.address).await;
        fetch(&requests, get("/")).await;
        rig.drain();
        let again = async { requests.clone().ready().await?.send_request(get("/"), true)?.0.await };
        assert!(again.await.is_err());
    });
}
