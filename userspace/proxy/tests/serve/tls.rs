//! TLS with clients, tunnels, and the PROXY protocol: everything that comes before the first request.
use crate::Test;
use crate::client::{Client, send};
use crate::origin::{Act, Origin};
use crate::plans::Draft;
use crate::rig::Rig;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::server::ResolvesServerCert;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use weir_meter::{Count, Unshaken};
use weir_plan::host::HostMap;
use weir_plan::listener::{ProxyProtocol, Service, Tunnel};
use weir_plan::tls::{Certificates, DownTls, Renewable, UpTls};
use weir_plan::upstream::ProxyVersion;
use weir_schema::value::{HostPattern, Leaf};

pub const TESTS: &[Test] = &[
    ("tls_1_2_and_1_3_carry_requests", versions),
    ("large_bodies_pass_through_tls", large),
    ("records_come_in_pieces_and_under_new_keys", pieces),
    ("d2_garbage_instead_of_a_hello_ends_the_connection", garbage),
    ("a_handshake_that_stops_is_given_up", stalled),
    ("tunnels_carry_bytes_and_half_closes", tunnel),
    ("tunnels_carry_bulk_both_ways_at_once", tunnel_in_bulk),
    ("tunnels_carry_half_closes_over_tls", tunnel_over_tls),
    ("tunnels_choose_by_server_name", by_name),
    ("b75_a_host_of_another_certificate_is_421", misdirected),
    ("b29_the_proxy_protocol_names_the_client", proxy_protocol),
    ("b29_an_upstream_is_told_who_the_client_is", proxy_protocol_out),
    ("b10_without_the_proxy_header_nothing_is_served", no_header),
];

pub fn certificate(name: &str) -> (Arc<ServerConfig>, RootCertStore) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let key = aws_lc_rs::sign::any_supported_type(&key).unwrap();
    let key = Arc::new(rustls::sign::CertifiedKey::new(vec![cert.der().clone()], key));
    let mut certificates = Certificates::new(false);
    certificates.add(&key, &[HostPattern::parse(name).unwrap()]);
    let config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(Arc::new(certificates));
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    (Arc::new(config), roots)
}

pub type Session = StreamOwned<ClientConnection, TcpStream>;

pub fn connect(address: SocketAddr, name: &str, config: ClientConfig) -> Session {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let session =
        ClientConnection::new(Arc::new(config), ServerName::try_from(name.to_owned()).unwrap()).unwrap();
    StreamOwned::new(session, stream)
}

/// Asks once, and expects the answer of the origin that knows one.
pub fn ask(session: &mut Session) {
    session.write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").unwrap();
    expect(session, "HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 5\r\nVia: 1.1 weir\r\n\r\nhello");
}

fn expect(session: &mut Session, want: &str) {
    let mut got = vec![0; want.len()];
    session.read_exact(&mut got).unwrap();
    assert_eq!(String::from_utf8(got).unwrap(), want);
}

fn versions() {
    let origin = Origin::fixed();
    let (config, roots) = certificate("a.example");
    let mut draft = Draft::to(origin.address);
    draft.tls(config);
    let rig = Rig::new(draft.finish());
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let client = ClientConfig::builder_with_protocol_versions(&[version]);
        let client = client.with_root_certificates(roots.clone()).with_no_client_auth();
        let mut session = connect(rig.address, "a.example", client);
        for _ in 0..3 {
            ask(&mut session);
        }
        session.write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n").unwrap();
        let mut rest = String::new();
        session.read_to_string(&mut rest).unwrap();
        assert!(rest.ends_with("hello"), "ended with close_notify: {rest}");
    }
    assert_eq!((rig.count(Count::TlsDone), rig.unshaken(Unshaken::Protocol)), (2, 0));
}

/// The client has asked for one name and sends a request for another.
fn misdirected() {
    let origin = Origin::fixed();
    let mut certificates = Certificates::new(false);
    let mut roots = RootCertStore::empty();
    for name in ["a.example", "b.example"] {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([name.to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let key = aws_lc_rs::sign::any_supported_type(&key).unwrap();
        let key = Arc::new(rustls::sign::CertifiedKey::new(vec![cert.der().clone()], key));
        let alias = format!("www.{name}");
        let names = [name, &alias].map(|name| HostPattern::parse(name).unwrap());
        certificates.add(&key, &names);
        roots.add(cert.der().clone()).unwrap();
    }
    let mut draft = Draft::to(origin.address);
    let certificates = Arc::new(certificates);
    let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(&certificates) as _;
    let server = ServerConfig::builder().with_no_client_auth().with_cert_resolver(resolver);
    let handshake_timeout = Duration::from_secs(10);
    let tls = DownTls { config: Arc::new(server), certificates, clients: None, handshake_timeout };
    draft.listener.tls = Some(Renewable::new(Arc::new(tls)));
    let rig = Rig::new(draft.finish());
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let mut session = connect(rig.address, "a.example", client);
    for (host, status) in [("a.example", 200), ("www.a.example", 200), ("b.example", 421)] {
        write!(session, "GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
        let mut got = vec![0; 12];
        session.read_exact(&mut got).unwrap();
        assert_eq!(String::from_utf8(got).unwrap(), format!("HTTP/1.1 {status}"), "{host}");
        if status == 200 {
            expect(&mut session, " OK\r\nDate: then\r\nContent-Length: 5\r\nVia: 1.1 weir\r\n\r\nhello");
        }
    }
    assert_eq!(origin.seen().len(), 2);
}

/// A server that sends back what it gets, behind TLS. It answers as long as it is kept.
fn mirror() -> (Origin, Rig, RootCertStore) {
    let origin = Origin::new(|_, message| {
        let body = message.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let head =
            format!("HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: {}\r\n\r\n", message.len() - body);
        Act::Send([head.as_bytes(), &message[body..]].concat())
    });
    let (config, roots) = certificate("a.example");
    let mut draft = Draft::to(origin.address);
    draft.tls(config);
    let rig = Rig::new(draft.finish());
    (origin, rig, roots)
}

fn large() {
    let (_origin, rig, roots) = mirror();
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let mut session = connect(rig.address, "a.example", client);
    let body: Vec<u8> = (0..1_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    write!(session, "PUT / HTTP/1.1\r\nHost: a.example\r\nContent-Length: {}\r\n\r\n", body.len()).unwrap();
    session.write_all(&body).unwrap();
    expect(
        &mut session,
        &format!("HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: {}\r\nVia: 1.1 weir\r\n\r\n", body.len()),
    );
    let mut got = vec![0; body.len()];
    session.read_exact(&mut got).unwrap();
    assert!(got == body, "the body changed on its way");
}

/// Records are cut anywhere by the network, and each side may change its keys at any time.
fn pieces() {
    let (_origin, rig, roots) = mirror();
    for step in [1, 7, 1000, 16_500, 40_000] {
        let client = ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13]);
        let client = client.with_root_certificates(roots.clone()).with_no_client_auth();
        let mut session = connect(rig.address, "a.example", client);
        session.sock.set_nodelay(true).unwrap();
        session.flush().unwrap();
        for length in [1_u32, 100, if step == 1 { 300 } else { 60_000 }] {
            let body: Vec<u8> = (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
            session.conn.refresh_traffic_keys().unwrap();
            write!(
                session.conn.writer(),
                "PUT / HTTP/1.1\r\nHost: a.example\r\nContent-Length: {length}\r\n\r\n"
            )
            .unwrap();
            session.conn.writer().write_all(&body).unwrap();
            let mut sealed = Vec::new();
            while session.conn.wants_write() {
                session.conn.write_tls(&mut sealed).unwrap();
            }
            sealed.chunks(step).for_each(|piece| session.sock.write_all(piece).unwrap());
            expect(
                &mut session,
                &format!(
                    "HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: {length}\r\nVia: 1.1 weir\r\n\r\n"
                ),
            );
            let mut got = vec![0; body.len()];
            session.read_exact(&mut got).unwrap();
            assert!(got == body, "{length} bytes in pieces of {step} changed on their way");
        }
    }
}

fn garbage() {
    let (config, _) = certificate("a.example");
    let mut draft = Draft::default();
    draft.tls(config);
    let rig = Rig::new(draft.finish());
    for bytes in
        [&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", b"\0"]
    {
        let mut client = Client::new(rig.address);
        client.send(bytes);
        client.finish_sending();
        let (answer, _) = client.rest();
        assert!(!answer.contains("HTTP"), "{answer:?}");
    }
}

fn stalled() {
    let (config, _) = certificate("a.example");
    let mut draft = Draft::default();
    draft.tls_within(config, Duration::from_millis(300));
    let rig = Rig::new(draft.finish());
    let mut client = Client::new(rig.address);
    client.send(b"\x16\x03\x01");
    assert_eq!(client.rest().0, "");
    assert_eq!(rig.unshaken(Unshaken::Slow), 1);
}

fn echo() -> Origin {
    Origin::new(|_, _| Act::Echo(b"greeting".to_vec()))
}

/// A worker that tunnels to the origin.
fn tunnel_to(origin: &Origin) -> Rig {
    let mut draft = Draft::default();
    let upstream = draft.upstream(&[origin.address]);
    let idle_timeout = Duration::from_secs(5);
    draft.listener.service =
        Service::Tunnel(Tunnel { by_name: HostMap::default(), upstream: Some(upstream), idle_timeout });
    Rig::new(draft.finish())
}

fn tunnel_in_bulk() {
    let origin = echo();
    let rig = tunnel_to(&origin);
    let mut client = Client::new(rig.address);
    client.send("\r\n\r\n");
    assert_eq!(client.bytes(8), b"greeting");
    let sent: Vec<u8> = (0..8_usize << 20).map(|i| (i / 3 + i / 4099) as u8).collect();
    let stream = client.stream.try_clone().unwrap();
    let copy = sent.clone();
    let sender = std::thread::spawn(move || (&stream).write_all(&copy).unwrap());
    assert!(client.bytes(sent.len()) == sent);
    sender.join().unwrap();
}

fn tunnel() {
    let origin = echo();
    let rig = tunnel_to(&origin);
    let mut client = Client::new(rig.address);
    client.send("anything\r\n\r\n");
    assert_eq!(client.bytes(8), b"greeting");
    client.send("more");
    assert_eq!(client.bytes(4), b"more");
    client.finish_sending();
    assert_eq!(client.rest(), (String::new(), true));
}

/// Both ends of TLS: one worker speaks it with the client and with another worker, which decrypts for an origin that answers
/// only what it has heard to the end.
fn tunnel_over_tls() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).unwrap();
        stream.write_all(&heard).unwrap();
    });
    let (config, roots) = certificate("a.example");
    let tunnel = |to: SocketAddr, roots: Option<&RootCertStore>| {
        let mut draft = Draft::default();
        let mut upstream = draft.upstream_alone(&[to]);
        let own = Arc::get_mut(&mut upstream).unwrap();
        own.tls = roots.map(|roots| {
            let client = ClientConfig::builder().with_root_certificates(roots.clone()).with_no_client_auth();
            let names = vec!["a.example".try_into().unwrap()];
            Renewable::new(Arc::new(UpTls { config: Arc::new(client), names, digest: 0 }))
        });
        draft.upstreams.push(Arc::clone(&upstream));
        let idle_timeout = Duration::from_secs(5);
        let (by_name, upstream) = (HostMap::default(), Some(upstream));
        draft.listener.service = Service::Tunnel(Tunnel { by_name, upstream, idle_timeout });
        draft.tls(Arc::clone(&config));
        Rig::new(draft.finish())
    };
    let inner = tunnel(origin, None);
    let outer = tunnel(inner.address, Some(&roots));
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let mut session = connect(outer.address, "a.example", client);
    let said: Vec<u8> = (0..200_000_usize).map(|at| (at / 7) as u8).collect();
    session.write_all(&said).unwrap();
    // Only TLS is ended in this direction: the transport below it stays open.
    session.conn.send_close_notify();
    session.flush().unwrap();
    let mut heard = Vec::new();
    session.read_to_end(&mut heard).unwrap();
    assert!(heard == said, "{} of {} bytes came back, and the end in good order", heard.len(), said.len());
    thread.join().unwrap();
}

fn by_name() {
    // Behind the tunnel stands another worker that ends TLS, so the hello must arrive as it was sent.
    let origin = Origin::fixed();
    let (config, roots) = certificate("b.example");
    let mut inner = Draft::to(origin.address);
    inner.tls(config);
    let inner = Rig::new(inner.finish());
    let mut draft = Draft::default();
    let upstream = draft.upstream(&[inner.address]);
    let mut by_name = HostMap::default();
    by_name.entry(&HostPattern::parse("b.example").unwrap(), || upstream);
    let idle_timeout = Duration::from_secs(5);
    draft.listener.service = Service::Tunnel(Tunnel { by_name, upstream: None, idle_timeout });
    let rig = Rig::new(draft.finish());
    let client = || ClientConfig::builder().with_root_certificates(roots.clone()).with_no_client_auth();
    let mut session = connect(rig.address, "b.example", client());
    session.write_all(b"GET / HTTP/1.1\r\nHost: b.example\r\n\r\n").unwrap();
    expect(&mut session, "HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 5\r\nVia: 1.1 weir\r\n\r\nhello");
    let mut stranger = connect(rig.address, "c.example", client());
    assert!(stranger.write_all(b"GET").and_then(|()| stranger.flush()).is_err(), "no upstream for this name");
}

fn proxied(draft: &mut Draft, header_timeout: Duration) {
    draft.listener.proxy_protocol = Some(ProxyProtocol { from: Vec::new(), header_timeout });
    draft.listener.forwarded.x_forwarded = true;
}

fn proxy_protocol() {
    let origin = Origin::fixed();
    let mut draft = Draft::to(origin.address);
    proxied(&mut draft, Duration::from_secs(20));
    let rig = Rig::new(draft.finish());
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    send(rig.address, format!("PROXY TCP4 192.0.2.77 192.0.2.1 1000 8443\r\n{request}"));
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x4e\xc0\0\x02\x01\x04\0\x20\xfb";
    send(rig.address, [v2, request.as_bytes()].concat());
    let seen = origin.seen();
    assert!(
        seen[0].contains("X-Forwarded-For: 192.0.2.77\r\n") && seen[0].contains("X-Forwarded-Port: 8443\r\n")
    );
    assert!(seen[1].contains("X-Forwarded-For: 192.0.2.78\r\n"), "{}", seen[1]);
}

/// A connection that begins by naming a client serves that one only, however many others ask meanwhile.
fn proxy_protocol_out() {
    for version in [ProxyVersion::V1, ProxyVersion::V2] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = listener.local_addr().unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, tell) = (stream.unwrap(), tell.clone());
                std::thread::spawn(move || {
                    let (mut head, mut one) = (Vec::new(), [0]);
                    while stream.read_exact(&mut one).is_ok() {
                        head.push(one[0]);
                        if head.ends_with(b"\r\nVia: 1.1 weir\r\n\r\n") {
                            tell.send(std::mem::take(&mut head)).unwrap();
                            stream.write_all(&crate::origin::ok("hello")).unwrap();
                        }
                    }
                });
            }
        });
        let mut draft = Draft::default();
        draft.replace_upstream(origin, |upstream| upstream.proxy_protocol = Some(version));
        let rig = Rig::new(draft.finish());
        let mut clients = [0, 1].map(|_| Client::new(rig.address));
        let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut ask = |who: usize| {
            clients[who].send(request);
            assert!(clients[who].answer().ends_with("hello"));
            (told.recv().unwrap(), clients[who].stream.local_addr().unwrap())
        };
        for who in [0, 1] {
            let (head, client) = ask(who);
            let [from, to] = [client.port(), rig.address.port()];
            let header = match version {
                ProxyVersion::V1 => format!("PROXY TCP4 127.0.0.1 127.0.0.1 {from} {to}\r\n").into_bytes(),
                ProxyVersion::V2 => {
                    let ends = [from.to_be_bytes(), to.to_be_bytes()].concat();
                    let addresses = [127, 0, 0, 1, 127, 0, 0, 1];
                    [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..], &addresses, &ends].concat()
                }
            };
            assert!(head.starts_with(&header), "{version:?}: {:?}", String::from_utf8_lossy(&head));
        }
        for who in [0, 1, 0] {
            assert!(ask(who).0.starts_with(b"GET / "), "{version:?}: its own connection goes on");
        }
        assert_eq!(rig.count(Count::UpstreamOpened), 2);
    }
}

fn no_header() {
    let origin = Origin::fixed();
    let mut draft = Draft::to(origin.address);
    proxied(&mut draft, Duration::from_millis(300));
    let rig = Rig::new(draft.finish());
    assert_eq!(send(rig.address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"), "");
    let mut silent = Client::new(rig.address);
    silent.send("PROXY TCP4 192.0.2.77");
    assert_eq!(silent.rest().0, "");
    let mut draft = Draft::to(origin.address);
    proxied(&mut draft, Duration::from_secs(20));
    draft.listener.proxy_protocol.as_mut().unwrap().from = vec!["192.0.2.0/24".parse().unwrap()];
    let rig = Rig::new(draft.finish());
    let claim = "PROXY TCP4 192.0.2.77 192.0.2.1 1000 8443\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(send(rig.address, claim), "", "whoever is not asked for it may not claim an address");
    assert!(origin.seen().is_empty());
}
