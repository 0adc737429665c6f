//! What the control thread fetches and watches: keys of issuers, health of targets.

use crate::process::{Stopped, Weir, answer, ask_over, curl, free_port, until};
use crate::service::Origin;
use crate::wire::{HONEST, SERVER, Wire};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use libtest_mimic::{Failed, Trial};
use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

pub(crate) fn trials() -> Vec<Trial> {
    let root = nix::unistd::geteuid().is_root();
    vec![
        Trial::test("upstreams::f5_packets_that_vanish_cost_a_timeout_and_then_nothing", vanishing)
            .with_ignored_flag(!root),
        Trial::test("upstreams::f19_keys_are_fetched_rotated_and_kept_over_an_outage", keys),
        Trial::test("upstreams::a_rolling_restart_of_all_targets_fails_no_request", rolling_restart),
        Trial::test("upstreams::f5_a_target_that_keeps_silent_is_found_out", black_hole),
        Trial::test("upstreams::f23_with_all_targets_down_it_is_503_at_once", all_down),
    ]
}

/// A signer and its public half as a set of keys.
struct Signer(&'static str, Ed25519KeyPair);

impl Signer {
    fn new(kid: &'static str) -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self(kid, Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap())
    }

    fn set(&self) -> String {
        let x = base64(self.1.public_key().as_ref());
        format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{}","x":"{x}"}}]}}"#, self.0)
    }

    /// Good until the year 2100.
    fn token(&self, kid: &str) -> String {
        let header = base64(format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#).as_bytes());
        let signed = format!("{header}.{}", base64(br#"{"iss":"test","exp":4102444800}"#));
        let signature = base64(self.1.sign(signed.as_bytes()).as_ref());
        format!("{signed}.{signature}")
    }
}

/// base64url without padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)).collect();
    let digit =
        |six: &[u8]| digits[six.iter().fold(0, |sum, bit| sum * 2 + usize::from(*bit)) << (6 - six.len())];
    bits.chunks(6).map(|six| char::from(digit(six))).collect()
}

/// An issuer on a thread of its own: what it says, and how often it was asked.
struct Issuer {
    port: u16,
    says: Arc<Mutex<(u16, String)>>,
    asked: Arc<AtomicUsize>,
}

impl Issuer {
    fn start(keys: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (says, asked) = (Arc::new(Mutex::new((200, keys))), Arc::new(AtomicUsize::new(0)));
        let (own, counter) = (Arc::clone(&says), Arc::clone(&asked));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _head = stream.read(&mut [0; 2048]);
                counter.fetch_add(1, Ordering::Relaxed);
                let (status, body) = own.lock().unwrap().clone();
                let length = body.len();
                drop(write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n{body}"));
            }
        });
        Self { port, says, asked }
    }

    fn says(&self, status: u16, body: String) {
        *self.says.lock().unwrap() = (status, body);
    }
}

fn keys() -> Result<(), Failed> {
    let (one, two) = (Signer::new("one"), Signer::new("two"));
    let issuer = Issuer::start(one.set());
    let port = free_port();
    let config = format!(
        "version: 1
shield: {{ mode: off }}
listeners: [ {{ name: edge, bind: \"127.0.0.1:{port}\" }} ]
policies: {{ login: {{ jwt: {{ jwks: \"http://127.0.0.1:{}/keys\", issuer: test }} }} }}
routes: [ {{ match: {{ path: /* }}, policies: [ login ], respond: {{ status: 200, body: hello }} }} ]
admin: {{ socket: \"{{dir}}/admin.sock\" }}
",
        issuer.port
    );
    let url = format!("http://127.0.0.1:{port}/");
    let ask = |token: &str| curl(&["-H", &format!("authorization: Bearer {token}"), &url]).0;
    let weir = Weir::start(&config);
    assert_eq!(ask(&one.token("one")), 200, "the first request waits for the first keys");
    issuer.says(200, two.set());
    assert_eq!(ask(&two.token("two")), 200, "a key that is not known is fetched while the request waits");
    assert_eq!(ask(&one.token("one")), 401, "the old key is gone");
    let before = issuer.asked.load(Ordering::Relaxed);
    for _ in 0..30 {
        assert_eq!(ask(&one.token("forged")), 401);
    }
    assert_eq!(issuer.asked.load(Ordering::Relaxed), before, "a flood of unknown keys causes no fetch");
    issuer.says(500, String::new());
    assert_eq!(ask(&two.token("two")), 200, "an outage changes nothing");
    let weir = weir.again();
    assert_eq!(ask(&two.token("two")), 200, "not even over a restart");
    let status = String::from_utf8(weir.ask(&["status", "-o", "json"]).stdout)?;
    until("the complaint is shown", || {
        String::from_utf8_lossy(&weir.ask(&["status", "-o", "json"]).stdout).contains("status 500")
    });
    assert!(status.contains("/keys"), "{status}");
    Ok(())
}

/// A configuration with these targets, checked many times a second; `more` belongs to the upstream.
fn config(port: u16, status: u16, targets: &[u16], more: &str) -> String {
    let targets: Vec<String> = targets.iter().map(|target| format!("\"127.0.0.1:{target}\"")).collect();
    format!(
        "version: 1
shield: {{ mode: off }}
listeners: [ {{ name: edge, bind: \"127.0.0.1:{port}\" }} ]
routes: [ {{ match: {{ path: /* }}, upstream: origin }} ]
upstreams:
  origin:
    targets: [ {} ]
    health:
      active: {{ http: /, every: 250ms, timeout: 250ms, unhealthy_after: 2, healthy_after: 2 }}
      {more}
telemetry: {{ metrics: {{ bind: \"127.0.0.1:{status}\" }} }}
admin: {{ socket: \"{{dir}}/admin.sock\" }}
",
        targets.join(", ")
    )
}

/// Whether a target is in this state.
fn is(state: &str, target: u16, status: u16) -> bool {
    let (_, page) = curl(&[&format!("http://127.0.0.1:{status}/metrics")]);
    let line = format!(
        "weir_upstream_target_state{{upstream=\"origin\",target=\"127.0.0.1:{target}\",state=\"{state}\"}} 1"
    );
    page.lines().any(|have| have == line)
}

/// Asks again and again over one connection until told to stop, and counts the good answers; one that is not, if any.
fn load(port: u16, good: &AtomicUsize, stop: &AtomicBool) -> Option<String> {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut writer, mut reader) = (stream.try_clone().unwrap(), BufReader::new(stream));
    while !stop.load(Ordering::Relaxed) {
        writer.write_all(b"GET /status/200 HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        let head = answer(&mut reader);
        if !head.starts_with("HTTP/1.1 200 ") {
            return Some(head);
        }
        good.fetch_add(1, Ordering::Relaxed);
    }
    None
}

fn rolling_restart() -> Result<(), Failed> {
    let mut origins: Vec<Origin> = (0..4).map(|_| Origin::start()).collect();
    let ports: Vec<u16> = origins.iter().map(|origin| origin.1).collect();
    let (port, status) = (free_port(), free_port());
    let retry = "passive: { consecutive_errors: 2, eject: 100ms }
    retry: { attempts: 3, on: [ connect, reset ], budget: 100%, backoff: 1ms }";
    let _weir = Weir::start(&config(port, status, &ports, retry));
    let (good, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    // So many more are answered in each state of the targets, however long that takes.
    let served = |clients: &[ScopedJoinHandle<'_, Option<String>>]| {
        let enough = good.load(Ordering::Relaxed) + 50;
        let is_over = || clients.iter().any(ScopedJoinHandle::is_finished);
        until("there are answers", || is_over() || good.load(Ordering::Relaxed) >= enough);
    };
    let bad: Vec<String> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(|| load(port, &good, &stop))).collect();
        let stopped = Stopped(&stop);
        for port in ports.iter().copied() {
            served(&clients);
            drop(origins.remove(0));
            until("the target is found to be down", || is("ill", port, status));
            served(&clients);
            origins.push(Origin::at(port));
            until("the target is found to be up", || is("up", port, status));
        }
        drop(stopped);
        clients.into_iter().filter_map(|client| client.join().unwrap()).collect()
    });
    assert!(bad.is_empty(), "{good:?} were answered, and these were not: {bad:?}");
    Ok(())
}

fn black_hole() -> Result<(), Failed> {
    let origin = Origin::start();
    // Connections are taken by the kernel, and nobody ever reads from them.
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let (port, status, silent_port) = (free_port(), free_port(), silent.local_addr()?.port());
    let _weir = Weir::start(&config(port, status, &[silent_port, origin.1], ""));
    until("the silent one is found out", || is("ill", silent_port, status));
    let failures = || {
        let (_, page) = curl(&[&format!("http://127.0.0.1:{status}/metrics")]);
        page.lines().find_map(|line| line.strip_prefix("weir_upstream_failures_total ").map(str::to_owned))
    };
    let before = failures();
    for _ in 0..10 {
        assert_eq!(curl(&[&format!("http://127.0.0.1:{port}/")]).0, 200);
    }
    assert!(before.is_some() && failures() == before, "nobody is sent to the silent one");
    Ok(())
}

/// An address of the wire that nobody answers at: packets to it leave and are lost.
const LOST: &str = "203.0.113.9";

fn vanishing() -> Result<(), Failed> {
    let wire = Wire::lay();
    let nobody =
        format!("-n {} neigh add {LOST} lladdr 02:00:00:00:00:09 dev edge nud permanent", wire.server);
    assert!(Command::new("ip").args(nobody.split(' ')).status()?.success());
    let origin = Wire::on(&wire.client, || TcpListener::bind((HONEST, 9000)))?;
    std::thread::spawn(move || {
        for mut stream in origin.incoming().flatten() {
            let _head = stream.read(&mut [0; 2048]);
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"));
        }
    });
    let text = format!(
        "version: 1
shield: {{ mode: off }}
limits: {{ workers: 1 }}
listeners: [ {{ name: edge, bind: \"{SERVER}:8080\" }} ]
routes:
  - {{ match: {{ path: /*, headers: {{ x-way: lost }} }}, upstream: lost }}
  - {{ match: {{ path: /*, headers: {{ x-way: soon }} }}, upstream: soon }}
  - {{ match: {{ path: /* }}, upstream: both }}
upstreams:
  lost: {{ targets: [ \"{LOST}:80\" ], timeouts: {{ connect: 10m }}, retry: {{ attempts: 0 }} }}
  soon: {{ targets: [ \"{LOST}:80\" ], timeouts: {{ connect: 300ms }}, retry: {{ attempts: 0 }} }}
  both:
    targets: [ \"{LOST}:80\", \"{HONEST}:9000\" ]
    timeouts: {{ connect: 300ms }}
    retry: {{ attempts: 1, on: [ connect ], budget: 100%, backoff: 1ms }}
    health: {{ passive: {{ consecutive_errors: 2, eject: 300s }} }}
admin: {{ socket: \"{{dir}}/admin.sock\" }}
"
    );
    let weir = Weir::start_by(Wire::inside(&wire.server, env!("CARGO_BIN_EXE_weir")), &text);
    // The only worker waits for the lost target, and serves another client meanwhile.
    let (mut waiting, mut other) = (wire.dial(HONEST), wire.dial(HONEST));
    waiting.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX-Way: lost\r\n\r\n")?;
    for _ in 0..20 {
        assert_eq!(ask_over(&mut other, ""), 200, "the one that answers is asked instead");
    }
    let begun = Instant::now();
    assert_eq!(ask_over(&mut other, "X-Way: soon\r\n"), 504);
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
    waiting.set_nonblocking(true)?;
    let silence = waiting.read(&mut [0; 1]);
    assert!(silence.is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "it still waits");
    let listed = String::from_utf8(weir.ask(&["upstream", "list", "-o", "json"]).stdout)?;
    let all: serde_json::Value = serde_json::from_str(&listed)?;
    let upstreams = all["upstreams"].as_array().unwrap();
    let both = upstreams.iter().find(|upstream| upstream["upstream"] == "both").unwrap();
    assert_eq!(
        (&both["targets"][0]["state"], &both["targets"][1]["state"]),
        (&"out".into(), &"up".into()),
        "{listed}"
    );
    Ok(())
}

fn all_down() -> Result<(), Failed> {
    let (port, status, nobody) = (free_port(), free_port(), free_port());
    let _weir = Weir::start(&config(port, status, &[nobody], "panic: 0%"));
    until("it is found to be down", || is("ill", nobody, status));
    let (code, body) = curl(&[&format!("http://127.0.0.1:{port}/")]);
    assert_eq!(code, 503, "{body}");
    let origin = Origin::at(nobody);
    until("it is used as soon as it is up", || curl(&[&format!("http://127.0.0.1:{port}/")]).0 == 200);
    drop(origin);
    Ok(())
}
