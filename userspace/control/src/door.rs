//! A small HTTP/1.1 server for the admin interface and the status listener.

mod portions;
mod secure;
mod sheet;

pub use sheet::spare;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::http::HeaderValue;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use portions::Portions;
use rustls::ServerConfig;
use sheet::Sheet;
use std::cell::Cell;
use std::convert::Infallible;
use std::fs::{File, Permissions};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

/// Connections served at once through one door; more wait in the backlog.
pub const CONNECTIONS_MAX: usize = 64;
/// The largest request body from the network, in bytes.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// The largest request body through a unix socket, in bytes: a configuration of half a million routes has as much.
pub const LOCAL_BODY_BYTES_MAX: usize = 64 << 20;
/// How long a client may take to send a head, or to keep a connection open without one.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take to send a body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A request that has arrived whole.
#[derive(Debug)]
pub struct Asked {
    /// Its head.
    pub head: hyper::http::request::Parts,
    /// Its body.
    pub body: Bytes,
    /// Who sent it.
    pub peer: Peer,
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A process of this host, by a unix socket: its user, and its id if the kernel knows it.
    Local(u32, Option<i32>),
    /// Somebody at an address.
    Remote(SocketAddr),
    /// The holder of a certificate that was asked for and checked, at an address.
    Certified(SocketAddr, Rc<str>),
    /// The kernel does not say.
    Unknown,
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local(user, Some(process)) => write!(f, "user {user}, process {process}"),
            Self::Local(user, None) => write!(f, "user {user}"),
            Self::Remote(address) => address.fmt(f),
            Self::Certified(address, name) => write!(f, "{name} at {address}"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// What is sent back.
pub type Answer = hyper::Response<Full<Bytes>>;

/// Where requests come in.
#[derive(Debug)]
pub enum Door {
    /// A unix socket: the admin interface.
    Unix(UnixListener),
    /// A TCP socket: status, or the test server.
    Tcp(TcpListener),
}

/// A door that is attended. Dropping this closes it: nobody comes in any more, and whoever is inside is served once more.
#[derive(Debug)]
#[must_use = "without it the door is closed at once"]
pub struct Attended {
    task: AbortHandle,
    is_open: Rc<Cell<bool>>,
}

impl Drop for Attended {
    fn drop(&mut self) {
        self.is_open.set(false);
        self.task.abort();
    }
}

/// Serves requests on this control thread until what is returned is dropped. Each connection is secured by the TLS that `tls`
/// names when it comes in, so that another certificate needs no other door.
pub fn attend(
    door: Door,
    tls: impl Fn() -> Option<Arc<ServerConfig>> + 'static,
    answer: impl AsyncFn(Asked) -> Answer + 'static,
) -> Attended {
    let is_open = Rc::new(Cell::new(true));
    let task = tokio::task::spawn_local(take_in(door, tls, answer, Rc::clone(&is_open))).abort_handle();
    Attended { task, is_open }
}

/// Serves requests in the clear until the future is dropped.
pub async fn serve(door: Door, answer: impl AsyncFn(Asked) -> Answer + 'static) {
    take_in(door, || None, answer, Rc::new(Cell::new(true))).await;
}

async fn take_in(
    door: Door,
    tls: impl Fn() -> Option<Arc<ServerConfig>>,
    answer: impl AsyncFn(Asked) -> Answer + 'static,
    is_open: Rc<Cell<bool>>,
) {
    let answer = Rc::new(async move |asked| {
        let mut answer = answer(asked).await;
        if !is_open.get() {
            answer.headers_mut().insert(hyper::header::CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    });
    let bytes_max = door.body_bytes_max();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let spare = Rc::new(Spare::default());
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match door.accept().await {
            Ok((stream, peer)) => {
                let (answer, spare, tls) = (Rc::clone(&answer), Rc::clone(&spare), tls());
                tokio::task::spawn_local(async move {
                    if let Some(secured) = secure::secured(stream, peer, tls).await {
                        converse(secured, bytes_max, &*answer).await;
                    }
                    spare.keep();
                    drop(place);
                });
            }
            Err(error) => {
                // Out of descriptors, most likely. The pause keeps the control thread from spinning on it.
                if !spare.give() {
                    tracing::warn!(%error, "a door cannot accept");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }
}

/// A descriptor that is kept for the next connection, should the process have no other left: the operator is heard then, too.
struct Spare(Cell<Option<File>>);

impl Default for Spare {
    fn default() -> Self {
        let spare = Self(Cell::default());
        spare.keep();
        spare
    }
}

impl Spare {
    /// Keeps one again, if there is one to be had.
    fn keep(&self) {
        self.0.set(self.0.take().or_else(|| File::open("/dev/null").ok()));
    }

    /// Lets go of it; whether there was one.
    fn give(&self) -> bool {
        self.0.take().is_some()
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

impl Door {
    /// A unix socket for the owner and the group. A socket file that a dead process left behind is replaced; one that
    /// answers is not.
    pub fn unix(path: &Path) -> std::io::Result<Self> {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(std::io::Error::new(ErrorKind::AddrInUse, "another process answers on this socket"));
        }
        Self::replace(path)
    }

    /// The same in place of whoever answers there now; it keeps its connections and gets no new ones.
    pub fn replace(path: &Path) -> std::io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, Permissions::from_mode(0o660))?;
        Ok(Self::Unix(listener))
    }

    /// A TCP socket that is bound already.
    pub fn bound(listener: std::net::TcpListener) -> std::io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self::Tcp(TcpListener::from_std(listener)?))
    }

    const fn body_bytes_max(&self) -> usize {
        match self {
            Self::Unix(_) => LOCAL_BODY_BYTES_MAX,
            Self::Tcp(_) => BODY_BYTES_MAX,
        }
    }

    async fn accept(&self) -> std::io::Result<(Box<dyn Stream>, Peer)> {
        Ok(match self {
            Self::Unix(listener) => {
                let stream = listener.accept().await?.0;
                let peer = stream.peer_cred().map(|peer| Peer::Local(peer.uid(), peer.pid()));
                (Box::new(stream), peer.unwrap_or(Peer::Unknown))
            }
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                (Box::new(stream), Peer::Remote(peer))
            }
        })
    }
}

async fn converse(
    (stream, peer): (Box<dyn Stream>, Peer),
    bytes_max: usize,
    answer: &impl AsyncFn(Asked) -> Answer,
) {
    let service =
        service_fn(async |request| Ok::<_, Infallible>(respond(request, &peer, bytes_max, answer).await));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(Portions(stream)), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection to a door ended badly");
    }
}

async fn respond(
    request: hyper::Request<Incoming>,
    peer: &Peer,
    bytes_max: usize,
    answer: &impl AsyncFn(Asked) -> Answer,
) -> Answer {
    let (head, body) = request.into_parts();
    if body.size_hint().lower() > bytes_max as u64 {
        return plain(413, "the body is too large\n");
    }
    let body = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, bytes_max).collect()).await;
    match body {
        Ok(Ok(body)) => answer(Asked { head, body: body.to_bytes(), peer: peer.clone() }).await,
        Ok(Err(_)) => plain(413, "the body is too large, or it broke off\n"),
        Err(_) => plain(408, "the body took longer than 10 s\n"),
    }
}

/// An answer made of its parts. A field that cannot stand in a header is left out.
pub fn answer(status: u16, fields: &[(&'static str, String)], body: Vec<u8>) -> Answer {
    let mut answer = Answer::new(Full::new(Bytes::from_owner(Sheet(body))));
    *answer.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    for (name, value) in fields {
        if let Ok(value) = HeaderValue::from_str(value) {
            answer.headers_mut().insert(*name, value);
        }
    }
    answer
}

/// A short answer in plain text.
pub fn plain(status: u16, text: &'static str) -> Answer {
    let mut answer = Answer::new(Full::new(Bytes::from_static(text.as_bytes())));
    *answer.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    answer
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[test]
    fn a_socket_left_behind_is_replaced_and_a_living_one_is_not() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("admin.sock");
        crate::run(async {
            drop(Door::unix(&path).unwrap());
            assert!(path.exists(), "closing a listener leaves its file");
            let _alive = Door::unix(&path).unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
            assert_eq!(Door::unix(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
        })
        .unwrap();
    }
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// Sends a request and returns everything that comes back before the connection ends.
    pub(crate) async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    fn asked(request: &'static str) -> String {
        crate::run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let server = tokio::task::spawn_local(serve(Door::Tcp(listener), async |asked: Asked| {
                assert_eq!(asked.head.uri.path(), "/here");
                Answer::new(Full::new(asked.body))
            }));
            let answer = ask(address, request).await;
            server.abort();
            answer
        })
        .unwrap()
    }

    #[test]
    fn a_closed_door_serves_who_is_inside_once_more() {
        crate::run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let attended = attend(Door::Tcp(listener), || None, async |_| plain(200, "here"));
            let mut inside = tokio::net::TcpStream::connect(address).await.unwrap();
            let mut answer = [0; 512];
            inside.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
            assert!(inside.read(&mut answer).await.unwrap() > 0);
            drop(attended);
            inside.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
            let mut rest = String::new();
            inside.read_to_string(&mut rest).await.unwrap();
            assert!(rest.contains("connection: close") && rest.ends_with("here"), "{rest}");
            assert!(tokio::net::TcpStream::connect(address).await.is_err());
        })
        .unwrap();
    }

    #[test]
    fn a_request_arrives_whole_or_not_at_all() {
        let post = "POST /here HTTP/1.1\r\nhost: a\r\nconnection: close\r\n";
        let check = |rest: &str, begins: &str, ends: &str| {
            let answer = asked(String::leak(format!("{post}{rest}")));
            assert!(answer.starts_with(begins) && answer.ends_with(ends), "{rest}: {answer}");
        };
        check("content-length: 5\r\n\r\nhello", "HTTP/1.1 200 ", "hello");
        check("content-length: 1048577\r\n\r\n", "HTTP/1.1 413 ", "too large\n");
        check("content-length: x\r\n\r\n", "HTTP/1.1 400 ", "");
    }
}
