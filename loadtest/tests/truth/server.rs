//! A server that answers 13 known bytes, each time after as long as a script says, in the clear or over TLS.

use rcgen::{CertificateParams, KeyPair};
use rustls::{HandshakeKind, ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::PrivateKeyDer;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// What the generator's origin would answer to `/bytes/13`.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n0123456789abc";

type Script = fn(u64) -> Duration;

#[derive(Default)]
struct Log {
    asked: Mutex<u64>,
    more: Condvar,
    held: Mutex<Vec<Held>>,
    /// Full and resumed handshakes.
    handshakes: Mutex<[u64; 2]>,
    name: Mutex<String>,
}

/// What the server itself saw of one request. Nobody can have had the answer before `answered`, nor have asked after
/// `asked`: a true latency is never shorter than the time between.
#[derive(Clone, Copy)]
pub(crate) struct Held {
    pub(crate) asked: Instant,
    pub(crate) answered: Instant,
}

impl Held {
    pub(crate) fn ms(&self) -> f64 {
        (self.answered - self.asked).as_secs_f64() * 1000.0
    }
}

/// It ends with the test's process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    log: Arc<Log>,
}

impl Server {
    /// Numbers requests from 1, over all connections.
    pub(crate) fn start(script: Script) -> Self {
        Self::open(script, None)
    }

    /// The same over TLS, with a certificate that nobody knows.
    pub(crate) fn start_tls(script: Script) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![String::from("nobody.test")]).unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = builder.unwrap().with_no_client_auth().with_single_cert(vec![certificate], key);
        Self::open(script, Some(Arc::new(config.unwrap())))
    }

    fn open(script: Script, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self { address: listener.local_addr().unwrap(), tls, log: Arc::default() };
        let (log, tls) = (Arc::clone(&server.log), server.tls.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (log, tls) = (Arc::clone(&log), tls.clone());
                thread::spawn(move || welcome(stream.unwrap(), tls, script, &log));
            }
        });
        server
    }

    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// How many handshakes were full, and how many resumed.
    pub(crate) fn handshakes(&self) -> [u64; 2] {
        *self.log.handshakes.lock().unwrap()
    }

    /// The name that was asked for last.
    pub(crate) fn name(&self) -> String {
        self.log.name.lock().unwrap().clone()
    }

    /// What it saw of each request, in the order of the answers.
    pub(crate) fn held(&self) -> Vec<Held> {
        self.log.held.lock().unwrap().clone()
    }

    /// How long each request was held, in milliseconds, the shortest first.
    pub(crate) fn held_ms(&self) -> Vec<f64> {
        let mut held: Vec<f64> = self.held().iter().map(Held::ms).collect();
        held.sort_by(f64::total_cmp);
        held
    }

    pub(crate) fn wait_for(&self, count: u64) {
        let asked = self.log.asked.lock().unwrap();
        let patience = Duration::from_secs(60);
        let (asked, _) = self.log.more.wait_timeout_while(asked, patience, |asked| *asked < count).unwrap();
        assert!(*asked >= count, "only {asked} requests came");
    }
}

fn welcome(stream: TcpStream, tls: Option<Arc<ServerConfig>>, script: Script, log: &Log) {
    stream.set_nodelay(true).unwrap();
    let Some(tls) = tls else { return serve(stream, script, log) };
    let mut stream = StreamOwned::new(ServerConnection::new(tls).unwrap(), stream);
    while stream.conn.is_handshaking() {
        if stream.conn.complete_io(&mut stream.sock).is_err() {
            return;
        }
    }
    let resumed = stream.conn.handshake_kind() == Some(HandshakeKind::Resumed);
    log.handshakes.lock().unwrap()[usize::from(resumed)] += 1;
    *log.name.lock().unwrap() = stream.conn.server_name().unwrap_or_default().to_owned();
    serve(stream, script, log);
}

fn serve(mut stream: impl Read + Write, script: Script, log: &Log) {
    let mut space = [0; 4096];
    // A client that ends its connection ends this thread.
    while let Ok(1..) = stream.read(&mut space) {
        let asked = Instant::now();
        let number = {
            let mut asked = log.asked.lock().unwrap();
            *asked += 1;
            log.more.notify_all();
            *asked
        };
        let due = asked + script(number);
        while let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            thread::park_timeout(left);
        }
        // Noted before it is sent: afterwards this thread may wait for a core while the client has its answer.
        let answered = Instant::now();
        log.held.lock().unwrap().push(Held { asked, answered });
        if stream.write_all(ANSWER).is_err() {
            return;
        }
    }
}
