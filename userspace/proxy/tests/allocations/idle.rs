//! What a connection holds that has served a request and waits: the bytes that were asked of the allocator.
use crate::{COUNTING, exchange, lasting, origin, rig};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};
use weir_meter::Level;

/// Its socket, its place among those that wait, its operation in the ring; of the tables, what they have in reserve.
const PLAIN_BYTES_MAX: isize = 250;
/// The same, and a session: its keys, its state, and no buffer.
const TLS_BYTES_MAX: isize = 3000;
const CONNECTIONS: usize = 200;

pub(crate) fn plain() {
    let rig = rig::Rig::new(lasting(origin()).finish());
    let each = weigh(&rig, || {
        let mut client = TcpStream::connect(rig.address).unwrap();
        exchange(&mut client, 1);
        client
    });
    assert!(each <= PLAIN_BYTES_MAX, "{each} bytes for each idle connection");
}

pub(crate) fn tls() {
    let (server, client) = configs();
    let mut draft = lasting(origin());
    draft.tls(server);
    let rig = rig::Rig::new(draft.finish());
    let each = weigh(&rig, || shaken(rig.address, &client));
    assert!(each <= TLS_BYTES_MAX, "{each} bytes for each idle session");
}

/// Bytes for each of many connections, once all of them wait and what they needed before is given back.
#[expect(clippy::disallowed_methods, reason = "between two looks at a condition with a deadline")]
#[expect(clippy::cast_possible_wrap, reason = "the number is small")]
fn weigh(rig: &rig::Rig, mut open: impl FnMut() -> TcpStream) -> isize {
    // What the first ones need beside themselves is there then.
    let mut clients = Vec::with_capacity(2 * CONNECTIONS);
    clients.extend((0..20).map(|_| open()));
    let deadline = Instant::now() + Duration::from_secs(30);
    let settled = |count: usize| {
        let mut least = isize::MAX;
        let mut unchanged = 0;
        // Memory is trimmed several times a second; what is left after some rounds is what is needed.
        while rig.block.level(Level::Parked) < count as u64 || unchanged < 6 {
            std::thread::sleep(Duration::from_millis(100));
            assert!(Instant::now() < deadline, "{} of {count} wait", rig.block.level(Level::Parked));
            let now = live();
            unchanged = if now < least { 0 } else { unchanged + 1 };
            least = least.min(now);
        }
        live()
    };
    let before = settled(clients.len());
    clients.extend((0..CONNECTIONS).map(|_| open()));
    (settled(clients.len()) - before) / CONNECTIONS as isize
}

/// Bytes that were asked for and not given back.
#[expect(clippy::cast_possible_wrap, reason = "no program has so many")]
fn live() -> isize {
    let stats = COUNTING.stats();
    stats.bytes_allocated as isize - stats.bytes_deallocated as isize
}

/// A connection that has shaken hands and asked once. The client forgets its session, whose memory would count.
fn shaken(address: SocketAddr, config: &Arc<ClientConfig>) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let name = ServerName::try_from("api.example.com").unwrap();
    let session = ClientConnection::new(Arc::clone(config), name).unwrap();
    let mut session = StreamOwned::new(session, stream);
    exchange(&mut session, 1);
    session.into_parts().1
}

fn configs() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["api.example.com".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let builder = ServerConfig::builder().with_no_client_auth();
    let mut server = builder.with_single_cert(vec![cert.der().clone()], key).unwrap();
    // As a plan makes it: tickets instead of a store.
    server.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let mut client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    client.resumption = rustls::client::Resumption::disabled();
    (Arc::new(server), Arc::new(client))
}
