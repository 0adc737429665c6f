//! Which certificate a client is shown, and what is said about those that will not do.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    CertificateParams, CertifiedKey, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SignatureAlgorithm,
};
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConnection, version};

use super::{Given, NOW, compiled, read, told};
use crate::compile::{Outside, renew};
use crate::tls::DownTls;
use crate::{Plan, Refusal, Renewal};

/// A certificate for these names that counts from 2020 to 2030.
fn certificate(names: &[&str], algorithm: &'static SignatureAlgorithm) -> CertifiedKey<KeyPair> {
    let mut params =
        CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2030, 1, 1);
    let key = KeyPair::generate_for(algorithm).unwrap();
    CertifiedKey { cert: params.self_signed(&key).unwrap(), signing_key: key }
}

fn put(files: &mut Given, name: &str, pair: &CertifiedKey<KeyPair>) {
    files.files.insert(format!("/{name}.pem"), pair.cert.pem().into_bytes());
    files.files.insert(format!("/{name}.key"), pair.signing_key.serialize_pem().into_bytes());
}

fn given() -> Given {
    let mut files = Given::default();
    put(&mut files, "a", &certificate(&["a.example.com", "*.example.com"], &PKCS_ECDSA_P256_SHA256));
    put(&mut files, "b", &certificate(&["b.example.com"], &PKCS_ECDSA_P256_SHA256));
    put(&mut files, "rsa", &certificate(&["a.example.com"], &PKCS_RSA_SHA256));
    files
}

const CERTIFICATES: &str = "certificates: [ { certificate: /a.pem, key: /a.key }, { certificate: /b.pem, key: /b.key }, { certificate: /rsa.pem, key: /rsa.key } ]";

fn down(files: &Given, more: &str) -> Arc<DownTls> {
    let text = format!(
        "listeners: [ {{ bind: ':443', tls: {{ {CERTIFICATES}{more} }} }} ]\nroutes: [ {{ match: /*, respond: {{}} }} ]"
    );
    let outcome = compiled(&text, files);
    let plan = outcome.plan.unwrap_or_else(|| panic!("{:#?}", outcome.report));
    plan.listeners[0].tls.as_ref().unwrap().load()
}

/// Runs a handshake in memory. Returns the certificate shown and the protocol agreed on.
fn shake(down: &DownTls, name: &str, client: ClientConfig) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let (client, server) = converse(down, name, client)?;
    let shown = client.peer_certificates()?.first()?.to_vec();
    Some((shown, server.alpn_protocol().map(<[u8]>::to_vec)))
}

/// Runs a handshake in memory, and whatever the server says behind it.
fn converse(
    down: &DownTls,
    name: &str,
    client: ClientConfig,
) -> Option<(ClientConnection, ServerConnection)> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::clone(&down.config)).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets().ok()?;
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets().ok()?;
    }
    Some((client, server))
}

fn client(offers: &[&str], rsa_only: bool) -> ClientConfig {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    if rsa_only {
        // What a client can verify is what it says it can.
        let all = provider.signature_verification_algorithms;
        let rsa: Vec<_> = all
            .mapping
            .iter()
            .copied()
            .filter(|(scheme, _)| format!("{scheme:?}").starts_with("RSA"))
            .collect();
        provider.signature_verification_algorithms =
            rustls::crypto::WebPkiSupportedAlgorithms { all: all.all, mapping: rsa.leak() };
    }
    let provider = Arc::new(provider);
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let verifier = Arc::new(crate::tls::Trusting(provider));
    let mut config =
        builder.unwrap().dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = offers.iter().map(|offer| offer.as_bytes().to_vec()).collect();
    config
}

#[test]
fn exact_before_wildcard_before_default() {
    let files = given();
    let check = |down: &DownTls, name: &str, rsa_only: bool, expect: Option<&str>| {
        let shown = shake(down, name, client(&[], rsa_only)).map(|(shown, _)| shown);
        let expect = expect.map(|file| {
            use rustls::pki_types::{CertificateDer, pem::PemObject};
            CertificateDer::from_pem_slice(&files.files[file]).unwrap().to_vec()
        });
        assert!(shown == expect, "{name}");
    };
    let lenient = down(&files, "");
    check(&lenient, "a.example.com", false, Some("/a.pem"));
    check(&lenient, "a.example.com", true, Some("/rsa.pem"));
    check(&lenient, "b.example.com", false, Some("/b.pem"));
    check(&lenient, "c.example.com", false, Some("/a.pem"));
    check(&lenient, "x.c.example.com", false, Some("/a.pem"));
    check(&lenient, "other.net", false, Some("/a.pem"));
    check(&lenient, "other.net", true, Some("/rsa.pem"));
    let strict = down(&files, ", strict_sni: true");
    check(&strict, "c.example.com", false, Some("/a.pem"));
    check(&strict, "x.c.example.com", false, None);
    check(&strict, "other.net", false, None);
    assert!(strict.refuses(Some("other.net")) && strict.refuses(None));
    assert!(!strict.refuses(Some("b.example.com")) && !lenient.refuses(Some("other.net")));
    assert!(lenient.misdirects(Some("a.example.com"), "b.example.com"));
    assert!(!lenient.misdirects(Some("c.example.com"), "d.example.com"));
    assert!(!lenient.misdirects(None, "b.example.com"));
}

#[test]
fn the_protocol_is_chosen_by_alpn() {
    let files = given();
    let both = down(&files, "");
    let agreed =
        |offers: &[&str]| shake(&both, "a.example.com", client(offers, false)).map(|(_, protocol)| protocol);
    assert_eq!(agreed(&["http/1.1", "h2"]), Some(Some(b"h2".to_vec())));
    assert_eq!(agreed(&["http/1.1"]), Some(Some(b"http/1.1".to_vec())));
    assert_eq!(agreed(&[]), Some(None));
    assert_eq!(agreed(&["spdy/3"]), None);
}

#[test]
fn clients_are_asked_for_a_certificate() {
    let mut files = given();
    put(&mut files, "ca", &certificate(&["ca"], &PKCS_ECDSA_P256_SHA256));
    let required = down(&files, ", client_ca: /ca.pem");
    assert!(shake(&required, "a.example.com", client(&[], false)).is_none_or(|_| {
        // In TLS 1.3 the client is done before the server has seen that a certificate is missing.
        false
    }));
    let optional = down(&files, ", client_ca: { file: /ca.pem, require: false }");
    assert!(shake(&optional, "a.example.com", client(&[], false)).is_some());
}

#[test]
fn what_will_not_do_is_told() {
    let mut files = given();
    files.files.insert("/text".into(), b"hello".to_vec());
    let check = |tls: &str, expect: &[&str]| {
        let text = format!(
            "listeners: [ {{ bind: ':443', tls: {{ {tls} }} }} ]\nroutes: [ {{ match: /*, respond: {{}} }} ]"
        );
        assert_eq!(told(&compiled(&text, &files).report), expect, "{tls}");
    };
    check("certificate: /a.pem, key: /b.key", &["E0221 1:50 this certificate belongs to another key"]);
    check("certificate: /text, key: /b.key", &["E0221 1:50 no certificate in /text"]);
    check("certificate: /a.pem, key: /text", &["E0221 1:63 no private key in /text"]);
    check("certificate: /none, key: /a.key", &["E0302 1:50 `/none` cannot be read: there is no such file"]);
}

#[test]
fn expiry_is_told_ahead() {
    let mut files = Given::default();
    let mut check = |year: i32, month: u8, day: u8, expect: &[&str]| {
        let mut params = CertificateParams::new(vec!["a".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, month, day);
        let key = KeyPair::generate().unwrap();
        put(&mut files, "a", &CertifiedKey { cert: params.self_signed(&key).unwrap(), signing_key: key });
        let text = "listeners: [ { bind: ':443', tls: { certificate: /a.pem, key: /a.key } } ]\nroutes: [ { match: /*, respond: {} } ]";
        assert_eq!(told(&compiled(text, &files).report), expect);
    };
    // `NOW` is 15 January 2027, 08:00.
    assert_eq!(NOW, 1_800_000_000);
    check(2027, 3, 1, &[]);
    check(2027, 1, 20, &["W0607 1:50 this certificate expires in 4 days"]);
    check(2027, 1, 16, &["W0607 1:50 this certificate expires in 16 hours"]);
    check(2027, 1, 13, &["W0607 1:50 this certificate expired 2 days ago"]);
}

#[test]
fn an_upstream_must_prove_its_name() {
    let files = given();
    let up = |tls: &str, target: &str| {
        let text = format!(
            "listeners: [ {{ bind: ':80' }} ]\nroutes: [ {{ match: /*, upstream: u }} ]\nupstreams: {{ u: {{ protocol: auto, targets: [ '{target}' ], tls: {{ {tls} }} }} }}"
        );
        compiled(&text, &files)
    };
    let outcome = up("ca: /b.pem", "b.example.com:443");
    let plan = outcome.plan.unwrap();
    let tls = plan.upstreams[0].tls.as_ref().unwrap().load();
    assert_eq!(tls.names, [ServerName::try_from("b.example.com").unwrap()]);
    let down = down(&files, "");
    let mut roots = RootCertStore::empty();
    assert_eq!(roots.add_parsable_certificates([]), (0, 0));
    let shaken = shake(&down, "b.example.com", (*tls.config).clone()).unwrap();
    assert_eq!(shaken.1, Some(b"h2".to_vec()));
    assert!(
        shake(&down, "a.example.com", (*tls.config).clone()).is_none(),
        "an authority that it is not from"
    );
    let unix = up("ca: /b.pem", "unix:/run/x");
    assert_eq!(told(&unix.report), ["E0104 3:68 a unix socket has no name that it could prove"]);
}

/// What the client has shown at one listener must not stand for what another one demands, although both share the keys of
/// their tickets and the client asks for the same name.
#[test]
fn d3_a_session_goes_on_only_where_the_same_is_demanded() {
    let mut files = given();
    put(&mut files, "ca", &certificate(&["ca"], &PKCS_ECDSA_P256_SHA256));
    let text = "tls: { min_version: '1.2' }
listeners: [ { bind: ':1', tls: { certificate: /a.pem, key: /a.key } }, { bind: ':2', tls: { certificate: /a.pem, key: /a.key, client_ca: /ca.pem } }, { bind: ':3', tls: { certificate: /a.pem, key: /a.key } } ]
routes: [ { match: /*, respond: {} } ]";
    let plan = compiled(text, &files).plan.unwrap();
    let [open, closed, other] = [0, 1, 2].map(|at| plan.listeners[at].tls.as_ref().unwrap().load());
    for version in [&version::TLS12, &version::TLS13] {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = Arc::new(crate::tls::Trusting(Arc::clone(&provider)));
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]);
        let client = builder.unwrap().dangerous().with_custom_certificate_verifier(verifier);
        let client = client.with_no_client_auth();
        let kind = |down: &DownTls| {
            let done = converse(down, "a.example.com", client.clone());
            done.and_then(|(_, server)| server.handshake_kind())
        };
        assert_eq!(kind(&open), Some(HandshakeKind::Full), "{version:?}");
        assert_eq!(kind(&open), Some(HandshakeKind::Resumed), "{version:?}");
        assert_eq!(kind(&closed), None, "{version:?}: without a certificate");
        // A ticket of TLS 1.3 counts once, so the attempt has used it up.
        assert!(kind(&open).is_some());
        assert_eq!(kind(&other), Some(HandshakeKind::Resumed), "{version:?}: B76, one set of keys");
    }
}

const TWO: &str = "listeners: [ { bind: ':443', tls: { certificates: [ { certificate: /a.pem, key: /a.key }, { certificate: /b.pem, key: /b.key } ], client_ca: { file: /ca.pem, require: false } } } ]
routes: [ { match: /*, upstream: u } ]
upstreams: { u: { targets: [ 'b.example.com:443' ], tls: { ca: /b.pem } } }";

fn renewed(plan: &Plan, files: &Given) -> Renewal {
    let now = UnixTime::since_unix_epoch(Duration::from_secs(NOW));
    renew(plan, &read(TWO), &Outside { files, now, before: Some(plan) })
}

#[test]
fn b77_each_pair_is_renewed_by_itself_and_a_bad_one_is_not() {
    let mut files = given();
    put(&mut files, "ca", &certificate(&["ca"], &PKCS_ECDSA_P256_SHA256));
    let plan = compiled(TWO, &files).plan.unwrap();
    let shown = |name: &str| {
        let tls = plan.listeners[0].tls.as_ref().unwrap().load();
        shake(&tls, name, client(&[], false)).unwrap().0
    };
    let upstream = || Arc::as_ptr(&plan.upstreams[0].tls.as_ref().unwrap().load().config);
    assert_eq!(renewed(&plan, &files), Renewal::default(), "nothing has changed");
    let before = [shown("a.example.com"), shown("b.example.com")];
    let session = upstream();

    put(&mut files, "a", &certificate(&["a.example.com"], &PKCS_ECDSA_P256_SHA256));
    put(&mut files, "b", &certificate(&["b.example.com"], &PKCS_ECDSA_P256_SHA256));
    files.files.insert("/a.key".into(), files.files["/b.key"].clone());
    let news = renewed(&plan, &files);
    let refusal = |source: &str, why: &str| Refusal { source: source.into(), why: why.into() };
    assert_eq!(news.refused, [refusal("/a.pem", "this certificate belongs to another key")]);
    assert_eq!(news.taken, ["/b.pem for b.example.com", "TLS towards `u`"]);
    assert!(shown("a.example.com") == before[0] && shown("b.example.com") != before[1]);
    assert_ne!(upstream(), session);
    assert_eq!(plan.records().len(), 2);

    files.files.remove("/ca.pem");
    files.files.insert("/b.pem".into(), b"nonsense".to_vec());
    let news = renewed(&plan, &files);
    let sources: Vec<_> = news.refused.iter().map(|refusal| refusal.source.as_str()).collect();
    assert_eq!(sources, ["/a.pem", "/b.pem", "/ca.pem", "TLS towards `u`"]);
    assert!(news.taken.is_empty(), "{news:?}");
    assert!(shown("a.example.com") == before[0]);

    put(&mut files, "a", &certificate(&["a.example.com"], &PKCS_ECDSA_P256_SHA256));
    let news = renewed(&plan, &files);
    assert_eq!(news.taken, ["/a.pem for a.example.com"]);
    assert!(shown("a.example.com") != before[0]);
}
