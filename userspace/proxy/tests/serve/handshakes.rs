//! Handshakes that nobody means well by.
use crate::Test;
use crate::client::{Client, send};
use crate::origin::Origin;
use crate::plans::Draft;
use crate::rig::Rig;
use crate::tls::certificate;
use rcgen::generate_simple_self_signed;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::server::ResolvesServerCert;
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};
use weir_meter::{Count, Level, Unshaken};
use weir_plan::tls::{Certificates, DownTls, Renewable, UpTls};
use weir_schema::value::{HostPattern, Leaf};

pub const TESTS: &[Test] = &[
    ("d1_messages_at_the_wrong_level_end_the_connection", wrong_level),
    ("d2_a_hello_in_pieces_is_understood", pieces),
    ("d2_empty_and_endless_hellos_end_the_connection", endless),
    ("d2_whoever_goes_early_leaves_nothing_behind", early),
    ("d8_plaintext_of_an_upstream_is_not_passed_on", plaintext),
    ("b75_an_unknown_name_is_told_so", unknown_name),
    ("b74_who_speaks_nothing_that_is_spoken_here_is_told_so", no_overlap),
    ("d5_so_many_handshakes_are_on_their_way_and_no_more", crowded),
];

/// A worker with TLS in front of an origin that always says hello.
pub fn rig() -> (Origin, Rig, RootCertStore) {
    let origin = Origin::fixed();
    let (config, roots) = certificate("a.example");
    let mut draft = Draft::to(origin.address);
    draft.tls(config);
    (origin, Rig::new(draft.finish()), roots)
}

pub fn config(roots: &RootCertStore) -> Arc<ClientConfig> {
    Arc::new(ClientConfig::builder().with_root_certificates(roots.clone()).with_no_client_auth())
}

/// The first message of a client.
pub fn hello(roots: &RootCertStore) -> Vec<u8> {
    let name = ServerName::try_from("a.example").unwrap();
    let mut wire = Vec::new();
    ClientConnection::new(config(roots), name).unwrap().write_tls(&mut wire).unwrap();
    wire
}

fn no_overlap() {
    let (shared, roots) = certificate("a.example");
    let mut own = (*shared).clone();
    own.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut draft = Draft::to(Origin::fixed().address);
    draft.tls(Arc::new(own));
    let rig = Rig::new(draft.finish());
    for (offers, alert) in [("http/1.1", None), ("spdy/3", Some(AlertDescription::NoApplicationProtocol))] {
        let mut client = (*config(&roots)).clone();
        client.alpn_protocols = vec![offers.as_bytes().to_vec()];
        let mut session = crate::tls::connect(rig.address, "a.example", client);
        let done = session.conn.complete_io(&mut session.sock);
        let told = done.err().and_then(|error| error.downcast::<rustls::Error>().ok());
        assert_eq!(told, alert.map(rustls::Error::AlertReceived), "{offers}");
    }
}

pub fn connected(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

/// Fetches over a stream; what went wrong otherwise.
pub fn fetch(stream: impl Read + Write, roots: &RootCertStore, name: &'static str) -> io::Result<String> {
    let session = ClientConnection::new(config(roots), ServerName::try_from(name).unwrap()).unwrap();
    let mut session = StreamOwned::new(session, stream);
    write!(session, "GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    session.read_to_string(&mut answer)?;
    Ok(answer)
}

/// A stream whose first write leaves in records with `step` bytes each, or in segments of one byte.
struct Shredder {
    stream: TcpStream,
    step: Option<usize>,
    begun: bool,
}

impl Read for Shredder {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.read(into)
    }
}

impl Write for Shredder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if std::mem::replace(&mut self.begun, true) {
            return self.stream.write(bytes);
        }
        match self.step {
            None => bytes.iter().try_for_each(|byte| self.stream.write_all(&[*byte]))?,
            Some(step) => bytes[5..].chunks(step).try_for_each(|piece| {
                let length = u16::try_from(piece.len()).unwrap().to_be_bytes();
                self.stream.write_all(&[&bytes[..3], &length, piece].concat())
            })?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn pieces() {
    let (_origin, rig, roots) = rig();
    for step in [None, Some(100), Some(16)] {
        let stream = Shredder { stream: connected(rig.address), step, begun: false };
        let answer = fetch(stream, &roots, "a.example");
        assert!(answer.as_ref().is_ok_and(|answer| answer.ends_with("hello")), "{step:?}: {answer:?}");
    }
}

/// A plaintext record.
fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [&[kind, 3, 3], &length[..], payload].concat()
}

fn wrong_level() {
    let (origin, rig, roots) = rig();
    let request = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
    let finished = [&[20, 0, 0, 32][..], &[7; 32]].concat();
    let attacks: [(&str, Vec<u8>); 6] = [
        ("Finished in plaintext", record(22, &finished)),
        ("application data in plaintext", record(23, request)),
        ("a second hello", hello(&roots)),
        ("a key update before the end", record(22, &[24, 0, 0, 1, 0])),
        ("a record of no kind", record(99, b"x")),
        ("a new session ticket from a client", record(22, &[4, 0, 0, 2, 0, 0])),
    ];
    for (at, (what, attack)) in attacks.iter().enumerate() {
        let mut client = Client::new(rig.address);
        client.send(hello(&roots));
        client.bytes(100);
        client.send(attack);
        let (answer, _) = client.rest();
        assert!(!answer.contains("hello") && !answer.contains("HTTP"), "{what}: {answer:?}");
        let failed = || rig.unshaken(Unshaken::Protocol) == at as u64 + 1;
        wait(what, failed);
    }
    // Before any hello as well.
    for (what, attack) in &attacks[1..2] {
        assert!(!send(rig.address, attack).contains("HTTP"), "{what}");
    }
    assert!(origin.seen().is_empty());
    assert_eq!(panics(&rig), 0);
}

fn endless() {
    let (_origin, rig, roots) = rig();
    let empty = record(22, b"");
    let long = [record(22, &[1, 0xff, 0xff, 0xff]), record(22, &[0; 16_000])].concat();
    for (what, piece) in [("empty records", &empty), ("a hello without end", &long)] {
        let mut client = connected(rig.address);
        let mut sent = 0;
        while client.write_all(piece).is_ok() {
            sent += piece.len();
            assert!(sent < 8 << 20, "{what} are taken for ever");
        }
    }
    assert!(fetch(connected(rig.address), &roots, "a.example").is_ok());
    assert_eq!(panics(&rig), 0);
}

fn early() {
    let (_origin, rig, roots) = rig();
    let hello = hello(&roots);
    for end in (0..=hello.len()).step_by(7) {
        let mut client = Client::new(rig.address);
        client.send(&hello[..end]);
        client.finish_sending();
        drop(client.rest());
    }
    wait("every connection is over", || rig.count(Count::Accepted) == rig.count(Count::Closed));
    assert_eq!(panics(&rig), 0);
}

/// nginx CVE-2026-1642: what comes before the handshake was not said by whom the handshake proves.
fn plaintext() {
    let origin = Origin::new(|_, _| crate::origin::Act::Silence);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil").unwrap();
        // Keeps the connection open until the proxy gives it up.
        drop(stream.read_to_end(&mut Vec::new()));
    });
    let (_, roots) = certificate("a.example");
    let mut draft = Draft::to(origin.address);
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let names = vec!["a.example".try_into().unwrap()];
    draft.replace_upstream(address, |upstream| {
        let tls = UpTls { config: Arc::new(client), names, digest: 0 };
        upstream.tls = Some(Renewable::new(Arc::new(tls)));
        upstream.retry.attempts_max = 0;
    });
    let rig = Rig::new(draft.finish());
    let answer = send(rig.address, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 502 ") && !answer.contains("evil"), "{answer}");
    thread.join().unwrap();
}

/// A certificate for a name, and its key.
pub fn pair(name: &str) -> (Arc<CertifiedKey>, RootCertStore) {
    let rcgen::CertifiedKey { cert, signing_key } = generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    (Arc::new(CertifiedKey::new(vec![cert.der().clone()], key)), roots)
}

fn unknown_name() {
    let origin = Origin::fixed();
    let (key, roots) = pair("a.example");
    let mut certificates = Certificates::new(true);
    certificates.add(&key, &[HostPattern::parse("a.example").unwrap()]);
    let certificates = Arc::new(certificates);
    let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(&certificates) as _;
    let server = ServerConfig::builder().with_no_client_auth().with_cert_resolver(resolver);
    let mut draft = Draft::to(origin.address);
    let handshake_timeout = Duration::from_secs(20);
    let tls = DownTls { config: Arc::new(server), certificates, clients: None, handshake_timeout };
    draft.listener.tls = Some(Renewable::new(Arc::new(tls)));
    let rig = Rig::new(draft.finish());
    assert!(fetch(connected(rig.address), &roots, "a.example").unwrap().ends_with("hello"));
    let refused = fetch(connected(rig.address), &roots, "b.example").unwrap_err();
    let alert = refused.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    assert_eq!(alert, Some(&rustls::Error::AlertReceived(AlertDescription::UnrecognisedName)), "{refused}");
    wait("it is counted", || rig.unshaken(Unshaken::Name) == 1);
    assert_eq!(rig.count(Count::TlsDone), 1);
}

/// Those that are on their way go on, whoever comes beyond them finds the connection closed, and all is well afterwards.
fn crowded() {
    let origin = Origin::fixed();
    let (config, roots) = certificate("a.example");
    let mut draft = Draft::to(origin.address);
    draft.tls(config);
    let mut plan = draft.finish();
    plan.limits.handshakes_max = 2;
    let rig = Rig::new(plan);
    let shaking = |count| move |rig: &Rig| rig.block.level(Level::Shaking) == count;
    let mut slow = [0, 1].map(|_| connected(rig.address));
    wait("two are on their way", || shaking(2)(&rig));
    assert_eq!(
        connected(rig.address).read_to_end(&mut Vec::new()).unwrap(),
        0,
        "the third is closed unanswered"
    );
    assert_eq!((rig.unshaken(Unshaken::Crowded), rig.count(Count::TlsDone)), (1, 0));
    assert!(fetch(&mut slow[0], &roots, "a.example").unwrap().ends_with("hello"));
    wait("one is over", || shaking(1)(&rig));
    assert!(fetch(connected(rig.address), &roots, "a.example").unwrap().ends_with("hello"));
    drop(slow);
    wait("all are over", || shaking(0)(&rig));
}

/// Tasks that have ended by a mistake.
pub fn panics(rig: &Rig) -> u64 {
    let _asked = rig.helm.beats();
    wait("it answers", || rig.helm.beats());
    wait("it answers", || rig.helm.beats());
    rig.helm.counters().panics
}

/// Waits for a condition.
pub fn wait(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "it did not come to pass: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
