//! Keys from a real HTTP server: rotated, unreachable, wrong, too large.
use super::*;
use crate::fetch::Fetcher;
use rcgen::KeyPair;
use std::cell::Cell;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use weir_policy::jwt::{KeySet, Rules};

/// Everything in milliseconds that is minutes otherwise.
const QUICK: Pace = Pace {
    fresh_min: Duration::from_millis(20),
    fresh_max: Duration::from_millis(20),
    fresh_usual: Duration::from_millis(20),
    retry_first: Duration::from_millis(5),
    retry_max: Duration::from_millis(20),
    asked_every: Duration::from_secs(60),
    stale_max: Duration::from_secs(60),
};
/// Nothing happens by itself.
const SLOW: Pace = Pace { fresh_min: Duration::from_secs(60), fresh_max: Duration::from_secs(60), ..QUICK };

/// A set with one key of this id.
fn set(kid: &str) -> Vec<u8> {
    let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let x = base64(key.public_key_raw());
    format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{kid}","x":"{x}"}}]}}"#).into_bytes()
}

fn base64(bytes: &[u8]) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)).collect();
    let digit =
        |six: &[u8]| digits[six.iter().fold(0, |sum, bit| sum * 2 + *bit as usize) << (6 - six.len())];
    bits.chunks(6).map(|six| char::from(digit(six))).collect()
}

/// A server whose answer can be changed, and which counts.
struct Issuer {
    url: String,
    answer: Rc<RefCell<(u16, Vec<u8>)>>,
    asked: Rc<Cell<usize>>,
}

impl Issuer {
    async fn start(answer: Vec<u8>) -> Issuer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let issuer = Issuer { url, answer: Rc::new(RefCell::new((200, answer))), asked: Rc::default() };
        let (answer, asked) = (Rc::clone(&issuer.answer), Rc::clone(&issuer.asked));
        tokio::task::spawn_local(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = [0; 1024];
                let _read = stream.read(&mut head).await;
                asked.set(asked.get() + 1);
                let (status, body) = answer.borrow().clone();
                let head =
                    format!("HTTP/1.1 {status} X\r\nlocation: /x\r\ncontent-length: {}\r\n\r\n", body.len());
                drop(stream.write_all(head.as_bytes()).await);
                drop(stream.write_all(&body).await);
            }
        });
        issuer
    }

    fn says(&self, status: u16, body: Vec<u8>) {
        self.answer.replace((status, body));
    }
}

fn keyring(pace: Pace, room: Option<PathBuf>) -> Keyring {
    Keyring::new(Fetcher::new(Vec::new()).unwrap(), pace, room)
}

fn verifier() -> Arc<Verifier> {
    Arc::new(Verifier::new(Rules::default(), KeySet::new(Vec::new())))
}

fn knows(verifier: &Verifier, kid: &str) -> bool {
    verifier.keys().keys().iter().any(|key| key.id() == Some(kid.as_bytes()))
}

/// Waits until something holds.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Asks, and waits for the answer.
async fn ask(keyring: &Keyring, verifier: &Arc<Verifier>) {
    let (answer, answered) = tokio::sync::oneshot::channel();
    keyring.ask(verifier, Box::new(move || answer.send(()).unwrap()));
    tokio::time::timeout(Duration::from_secs(10), answered).await.unwrap().unwrap();
}

fn on_control_thread(test: impl Future<Output = ()>) {
    crate::run(test).unwrap();
}

#[test]
fn b15_keys_are_fetched_and_follow_a_rotation() {
    on_control_thread(async {
        let issuer = Issuer::start(set("one")).await;
        let (keyring, own) = (keyring(QUICK, None), verifier());
        let source = Source::Url(issuer.url.as_str().into());
        keyring.sync([(&own, &source)].into_iter());
        until("the first keys", || knows(&own, "one")).await;
        issuer.says(200, set("two"));
        until("the rotated keys", || knows(&own, "two") && !knows(&own, "one")).await;
        let second = verifier();
        keyring.sync([(&own, &source), (&second, &source)].into_iter());
        assert!(knows(&second, "two"), "another rule of the same issuer has the keys at once");
        keyring.sync(std::iter::empty());
        let asked = issuer.asked.get();
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert!(issuer.asked.get() <= asked + 1, "nobody asks for keys that nobody uses");
    });
}

#[test]
fn f19_a_flood_of_unknown_keys_causes_one_fetch() {
    on_control_thread(async {
        let issuer = Issuer::start(set("one")).await;
        let (keyring, own) = (keyring(SLOW, None), verifier());
        keyring.sync([(&own, &Source::Url(issuer.url.as_str().into()))].into_iter());
        ask(&keyring, &own).await;
        assert!(knows(&own, "one"), "who asks during the first fetch waits for its end");
        assert_eq!(issuer.asked.get(), 1);
        issuer.says(200, set("two"));
        let flood: Vec<_> = (0..500).map(|_| ask(&keyring, &own)).collect();
        for one in flood {
            one.await;
        }
        assert!(knows(&own, "two"), "the first of them brings the rotated key");
        assert_eq!(issuer.asked.get(), 2, "and all the others cause nothing");
    });
}

#[test]
fn f19_old_keys_stay_while_the_issuer_fails() {
    on_control_thread(async {
        let issuer = Issuer::start(set("one")).await;
        let (keyring, own) = (keyring(QUICK, None), verifier());
        keyring.sync([(&own, &Source::Url(issuer.url.as_str().into()))].into_iter());
        until("the first keys", || knows(&own, "one")).await;
        let many =
            [b"{\"keys\":[".to_vec(), vec![b"{}".to_vec(); 10_000].join(&b','), b"]}".to_vec()].concat();
        let wrong = [
            (500, b"{}".to_vec(), "status 500"),
            (302, Vec::new(), "`/x`"),
            (200, b"<html>".to_vec(), "no usable set"),
            (200, b"{\"keys\":[]}".to_vec(), "none of its 0 keys"),
            (
                200,
                br#"{"keys":[{"kty":"oct","k":"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE"}]}"#.to_vec(),
                "none of its 1 keys",
            ),
            (200, many, "too many keys"),
            (200, vec![b' '; KeySet::BYTES_MAX + 1], "larger than"),
        ];
        for (status, body, complaint) in wrong {
            issuer.says(status, body);
            until(complaint, || keyring.view()[0].complaint.contains(complaint)).await;
            assert!(knows(&own, "one"), "{complaint}");
        }
        issuer.says(200, set("two"));
        until("the issuer is back", || knows(&own, "two")).await;
        assert_eq!(keyring.view()[0].complaint, "");
    });
}

#[test]
fn f19_keys_that_are_too_old_are_not_believed() {
    on_control_thread(async {
        let issuer = Issuer::start(set("one")).await;
        let (keyring, own) =
            (keyring(Pace { stale_max: Duration::from_millis(100), ..QUICK }, None), verifier());
        keyring.sync([(&own, &Source::Url(issuer.url.as_str().into()))].into_iter());
        until("the first keys", || knows(&own, "one")).await;
        issuer.says(503, Vec::new());
        until("the keys are given up", || !knows(&own, "one")).await;
        assert_eq!(keyring.view()[0].keys, 0);
    });
}

#[test]
fn the_last_good_keys_outlive_a_restart() {
    let room = tempfile::tempdir().unwrap();
    on_control_thread(async {
        let issuer = Issuer::start(set("one")).await;
        let source = Source::Url(issuer.url.as_str().into());
        let (first, own) = (keyring(SLOW, Some(room.path().to_owned())), verifier());
        first.sync([(&own, &source)].into_iter());
        until("the first keys", || knows(&own, "one")).await;
        drop(first);
        issuer.says(500, Vec::new());
        let (second, own) = (keyring(SLOW, Some(room.path().to_owned())), verifier());
        second.sync([(&own, &source)].into_iter());
        assert!(knows(&own, "one"), "before anything was fetched");
        ask(&second, &own).await;
        assert!(knows(&own, "one") && second.view()[0].complaint.contains("500"));
    });
}

#[test]
fn keys_are_found_by_discovery() {
    on_control_thread(async {
        let keys = Issuer::start(set("one")).await;
        let issuer = Issuer::start(Vec::new()).await;
        let document = |own: &str| format!(r#"{{"issuer":"{own}","jwks_uri":"{}"}}"#, keys.url).into_bytes();
        issuer.says(200, document("http://another"));
        let (keyring, own) = (keyring(QUICK, None), verifier());
        keyring.sync([(&own, &Source::Discovery(issuer.url.as_str().into()))].into_iter());
        until("another issuer is refused", || keyring.view()[0].complaint.contains("not the one")).await;
        issuer.says(200, document(&issuer.url));
        until("the keys", || knows(&own, "one")).await;
    });
}

#[test]
fn an_issuer_is_believed_by_its_certificate() {
    on_control_thread(async {
        let signed = rcgen::generate_simple_self_signed(vec![String::from("localhost")]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![signed.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        tokio::task::spawn_local(async move {
            let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let _read = stream.read(&mut [0; 1024]).await;
                drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await);
            }
        });
        let stranger = Fetcher::new(Vec::new()).unwrap().get(&url, 100).await.unwrap_err().to_string();
        assert!(stranger.contains("cannot connect") && stranger.contains("certificate"), "{stranger}");
        let friend = Fetcher::new(vec![signed.cert.der().clone()]).unwrap();
        assert_eq!(friend.get(&url, 100).await.unwrap().body, b"ok");
        assert!(friend.get(&url, 1).await.unwrap_err().to_string().contains("larger than 1 bytes"));
    });
}
