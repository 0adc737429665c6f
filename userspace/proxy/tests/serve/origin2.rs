//! An origin that speaks HTTP/2 and does what the path of a request says.
use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use rustls::ServerConfig;
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, watch};

/// What the origin has seen.
#[derive(Default)]
pub struct Seen {
    pub connections: usize,
    /// The most streams at once on one connection.
    pub streams_peak: usize,
    /// Requests as `METHOD uri`, in the order of their arrival.
    pub requests: Vec<String>,
    /// Streams that the proxy has reset, with the reason.
    pub resets: Vec<Reason>,
}

/// An origin on a thread of its own.
pub struct Origin2 {
    pub address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

/// How one origin differs from the usual.
#[derive(Clone, Default)]
pub struct Manner {
    pub streams_max: Option<u32>,
    /// `/gather` is answered once so many are there.
    pub gather: usize,
    pub connect_protocol: bool,
}

impl Origin2 {
    pub fn new(manner: Manner) -> Origin2 {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::<Mutex<Seen>>::default());
        let origin = Origin2 { address, seen: Arc::clone(&seen) };
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            tokio::task::LocalSet::new().block_on(&runtime, async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let gathered = Rc::new(watch::channel(0).0);
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    stream.set_nodelay(true).unwrap();
                    seen.lock().unwrap().connections += 1;
                    let place = Place { seen: Arc::clone(&seen), gathered: Rc::clone(&gathered) };
                    tokio::task::spawn_local(serve(stream, manner.clone(), place));
                }
            });
        });
        origin
    }

    pub fn seen<T>(&self, ask: impl FnOnce(&Seen) -> T) -> T {
        ask(&self.seen.lock().unwrap())
    }
}

#[derive(Clone)]
struct Place {
    seen: Arc<Mutex<Seen>>,
    gathered: Rc<watch::Sender<usize>>,
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, manner: Manner, place: Place) {
    let mut builder = Builder::new();
    if let Some(max) = manner.streams_max {
        builder.max_concurrent_streams(max);
    }
    if manner.connect_protocol {
        builder.enable_connect_protocol();
    }
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else { return };
    let (streams, leave) = (Rc::new(Cell::new(0)), Rc::new(Notify::new()));
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            () = leave.notified() => {
                connection.graceful_shutdown();
                continue;
            }
        };
        let Some(Ok((request, respond))) = accepted else { return };
        let (place, manner, streams, leave) =
            (place.clone(), manner.clone(), Rc::clone(&streams), Rc::clone(&leave));
        tokio::task::spawn_local(async move {
            streams.set(streams.get() + 1);
            {
                let mut seen = place.seen.lock().unwrap();
                seen.streams_peak = seen.streams_peak.max(streams.get());
                seen.requests.push(format!("{} {}", request.method(), request.uri()));
            }
            answer(request, respond, &manner, &place, &leave).await;
            streams.set(streams.get() - 1);
        });
    }
}

async fn answer(
    request: http::Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    manner: &Manner,
    place: &Place,
    leave: &Notify,
) -> Option<()> {
    let ok = || http::Response::new(());
    let text = Bytes::from_static(b"hello");
    let path = request.uri().path().to_owned();
    let count = place.seen.lock().unwrap().requests.len();
    match path.as_str() {
        "/echo" => {
            let mut answer = ok();
            if let Some(te) = request.headers().get("te") {
                answer.headers_mut().insert("x-te", te.clone());
            }
            let mut body = request.into_body();
            let mut out = respond.send_response(answer, false).ok()?;
            while let Some(data) = body.data().await {
                let data = data.ok()?;
                body.flow_control().release_capacity(data.len()).ok()?;
                out.send_data(data, false).ok()?;
            }
            match body.trailers().await.ok()? {
                Some(trailers) => out.send_trailers(trailers).ok()?,
                None => out.send_data(Bytes::new(), true).ok()?,
            }
        }
        "/chat" | "/frames" if *request.method() == http::Method::CONNECT => chat(request, respond).await?,
        "/mirror" => mirror(&request, respond)?,
        "/empty" => drop(respond.send_response(ok(), true)),
        "/big" => {
            let mut out = respond.send_response(ok(), false).ok()?;
            out.send_data(Bytes::from(vec![b'x'; 2_000_000]), true).ok()?;
            std::future::poll_fn(|cx| out.poll_reset(cx).map(drop)).await;
        }
        "/early" => {
            let mut answer = ok();
            *answer.status_mut() = http::StatusCode::IM_A_TEAPOT;
            respond.send_response(answer, true).ok()?;
        }
        "/refuse" if count == 1 => respond.send_reset(Reason::REFUSED_STREAM),
        "/break" => {
            let mut answer = ok();
            answer.headers_mut().insert("content-length", "10".parse().unwrap());
            let mut out = respond.send_response(answer, false).ok()?;
            out.send_data(text, false).ok()?;
            tokio::task::yield_now().await;
            out.send_reset(Reason::INTERNAL_ERROR);
        }
        "/hints" => {
            let mut hints = ok();
            *hints.status_mut() = http::StatusCode::EARLY_HINTS;
            hints.headers_mut().insert("link", "</a>".parse().unwrap());
            respond.send_informational(hints).ok()?;
            respond.send_response(ok(), false).ok()?.send_data(text, true).ok()?;
        }
        "/silent" => {
            let reason = std::future::poll_fn(|cx| respond.poll_reset(cx)).await.ok()?;
            place.seen.lock().unwrap().resets.push(reason);
        }
        "/gather" => {
            place.gathered.send_modify(|count| *count += 1);
            let mut all = place.gathered.subscribe();
            all.wait_for(|count| *count >= manner.gather).await.ok()?;
            respond.send_response(ok(), false).ok()?.send_data(text, true).ok()?;
        }
        "/leave" => {
            respond.send_response(ok(), false).ok()?.send_data(text, true).ok()?;
            leave.notify_one();
        }
        _ => respond.send_response(ok(), false).ok()?.send_data(text, true).ok()?,
    }
    Some(())
}

/// Says everything back; at `/chat` first what it was asked for and whether it has got a key.
async fn chat(request: http::Request<RecvStream>, mut respond: SendResponse<Bytes>) -> Option<()> {
    let protocol = request.extensions().get::<h2::ext::Protocol>().map(|one| one.as_str().to_owned());
    let key = request.headers().contains_key("sec-websocket-key");
    let mut out = respond.send_response(http::Response::new(()), false).ok()?;
    if request.uri().path() == "/chat" {
        out.send_data(Bytes::from(format!("{protocol:?} {key} ")), false).ok()?;
    }
    let mut body = request.into_body();
    while let Some(data) = body.data().await {
        let data = data.ok()?;
        body.flow_control().release_capacity(data.len()).ok()?;
        out.send_data(data, false).ok()?;
    }
    out.send_data(Bytes::new(), true).ok()
}

/// Answers with fields of the request.
fn mirror(request: &http::Request<RecvStream>, mut respond: SendResponse<Bytes>) -> Option<()> {
    let mut answer = http::Response::new(());
    let mirrored = request.headers().iter().filter(|(name, _)| name.as_str().starts_with("x-"));
    answer.headers_mut().extend(mirrored.map(|(name, value)| (name.clone(), value.clone())));
    respond.send_response(answer, true).ok().map(drop)
}

/// The same origin behind TLS, which agrees to what the configuration offers.
pub fn tls(config: Arc<ServerConfig>, plain: SocketAddr) -> SocketAddr {
    tls_to(config, [plain, plain])
}

/// Two origins behind one address and TLS: the first for those who agree to HTTP/2, the second for others.
pub fn tls_to(config: Arc<ServerConfig>, plain: [SocketAddr; 2]) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, config) = (stream.unwrap(), Arc::clone(&config));
            std::thread::spawn(move || relay(stream, config, plain));
        }
    });
    address
}

/// Decrypts towards the plain origin.
fn relay(mut outer: std::net::TcpStream, config: Arc<ServerConfig>, plain: [SocketAddr; 2]) {
    use std::io::{Read, Write};
    let mut session = rustls::ServerConnection::new(config).unwrap();
    while session.is_handshaking() {
        if session.complete_io(&mut outer).is_err() {
            return;
        }
    }
    let [http2, other] = plain;
    let to = if session.alpn_protocol() == Some(b"h2") { http2 } else { other };
    let mut inner = std::net::TcpStream::connect(to).unwrap();
    outer.set_nonblocking(true).unwrap();
    inner.set_nonblocking(true).unwrap();
    let mut chunk = [0; 16 * 1024];
    loop {
        let _ = session.complete_io(&mut outer);
        match session.reader().read(&mut chunk) {
            Ok(0) => return,
            Ok(count) => {
                inner.set_nonblocking(false).unwrap();
                inner.write_all(&chunk[..count]).unwrap();
                inner.set_nonblocking(true).unwrap();
                continue;
            }
            Err(_) => {}
        }
        match inner.read(&mut chunk) {
            Ok(0) => return,
            Ok(count) => session.writer().write_all(&chunk[..count]).unwrap(),
            Err(_) => std::thread::park_timeout(std::time::Duration::from_micros(200)),
        }
    }
}
