//! Workers in which something goes wrong: a mistake of this program's ends one connection, and a worker that stands still is
//! noticed.
use crate::Test;
use crate::handshakes::{config, connected, fetch, pair, panics, wait};
use crate::plans::Draft;
use crate::rig::Rig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConnection, RootCertStore, ServerConfig, StreamOwned};
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use weir_meter::Count;

pub const TESTS: &[Test] =
    &[("f12_a_panic_ends_one_connection", panic), ("f13_a_stuck_worker_is_noticed", stuck)];

/// Something that goes wrong inside a worker, for some names.
#[derive(Debug)]
struct Faulty(Arc<CertifiedKey>);

static STUCK: AtomicBool = AtomicBool::new(true);

impl ResolvesServerCert for Faulty {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match hello.server_name() {
            Some("panic.example") => panic!("a mistake in this program"),
            Some("stuck.example") => {
                while STUCK.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            }
            _ => {}
        }
        Some(Arc::clone(&self.0))
    }
}

fn faulty() -> (Rig, RootCertStore) {
    let (key, roots) = pair("a.example");
    let mut draft = Draft::default();
    draft.route("/*", |_| crate::plans::respond(200, "hello"));
    let server = ServerConfig::builder().with_no_client_auth().with_cert_resolver(Arc::new(Faulty(key)));
    draft.tls(Arc::new(server));
    (Rig::new(draft.finish()), roots)
}

fn panic() {
    let (rig, roots) = faulty();
    let session = ClientConnection::new(config(&roots), "a.example".try_into().unwrap()).unwrap();
    let mut other = StreamOwned::new(session, connected(rig.address));
    let mut ask = || {
        other.write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").unwrap();
        let (mut answer, mut one) = (Vec::new(), [0]);
        while !answer.ends_with(b"hello") {
            other.read_exact(&mut one).unwrap();
            answer.push(one[0]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"));
    };
    ask();
    for count in 1..4 {
        assert!(fetch(connected(rig.address), &roots, "panic.example").is_err());
        wait("it is counted", || panics(&rig) == count);
        ask();
    }
    assert!(fetch(connected(rig.address), &roots, "a.example").unwrap().ends_with("hello"));
    wait("its connections are counted as closed", || rig.count(Count::Closed) >= 4);
}

/// The pass mark of F13: noticed within 5 seconds. The control thread asks every second.
fn stuck() {
    let (rig, roots) = faulty();
    wait("it answers at first", || rig.helm.beats());
    let client = std::thread::spawn({
        let address = rig.address;
        move || fetch(connected(address), &roots, "stuck.example")
    });
    let begun = Instant::now();
    wait("two answers are missing in a row", || {
        let missing = !rig.helm.beats();
        std::thread::park_timeout(Duration::from_millis(100));
        missing && !rig.helm.beats()
    });
    assert!(begun.elapsed() < Duration::from_secs(5));
    STUCK.store(false, Ordering::Relaxed);
    // Whether that name fits the certificate is not what is asked here.
    drop(client.join().unwrap());
    wait("it answers again", || rig.helm.beats());
}
