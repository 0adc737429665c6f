//! Senders, receivers and frames for the trials. All of them are bounded.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::world::{PORT, SERVER, World, at};

/// No sender sends more than this.
const DATAGRAMS_MAX: u64 = 60_000;

/// A UDP socket on the shielded side that counts what reaches it.
pub(crate) struct Sink(UdpSocket);

impl Sink {
    pub(crate) fn open(address: &str) -> Self {
        let socket = UdpSocket::bind(SocketAddr::new(at(address), PORT)).expect("bind");
        socket.set_read_timeout(Some(Duration::from_millis(300))).expect("timeout");
        // By force: what the system grants everybody holds some five hundred datagrams, which come while a busy machine lets
        // the reader wait.
        nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::RcvBufForce, &(64 << 20))
            .expect("buffer");
        Self(socket)
    }

    /// Whether a datagram arrives.
    pub(crate) fn receives(&self) -> bool {
        self.0.recv(&mut [0; 64]).is_ok()
    }

    /// Takes what has arrived, by the last byte of the source's address.
    pub(crate) fn drain(&self, arrived: &mut [u64; 256]) {
        self.0.set_nonblocking(true).expect("nonblocking");
        while let Ok((_, from)) = self.0.recv_from(&mut [0; 64]) {
            let last = match from.ip() {
                IpAddr::V4(v4) => v4.octets()[3],
                IpAddr::V6(v6) => v6.octets()[15],
            };
            arrived[usize::from(last)] += 1;
        }
        self.0.set_nonblocking(false).expect("blocking");
    }
}

/// A UDP socket on the other side.
pub(crate) fn source(world: &World, from: &str) -> UdpSocket {
    world.on_client(|| UdpSocket::bind(SocketAddr::new(at(from), 0)).expect("bind"))
}

/// Sends one datagram to the sink.
pub(crate) fn send(from: &UdpSocket, to: &str) {
    from.send_to(b"x", SocketAddr::new(at(to), PORT)).expect("send");
}

/// Tells a sender to stop when this goes out of scope, so also when what runs beside it fails: the scope of its thread waits
/// for it, and a trial that fails would go on sending.
pub(crate) struct Stopped<'a>(pub(crate) &'a AtomicBool);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends datagrams from several sources in turn until told to stop, and counts them. After the first thousands it takes its
/// time, so that there is traffic for minutes, should what it waits for take that long.
pub(crate) fn probe(sources: &[UdpSocket], to: &str, stop: &AtomicBool, sent: &AtomicU64) {
    let to = SocketAddr::new(at(to), PORT);
    for number in 0..DATAGRAMS_MAX {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        for source in sources {
            source.send_to(b"x", to).expect("send");
        }
        sent.fetch_add(1, Ordering::Relaxed);
        std::thread::park_timeout(Duration::from_micros(if number < DATAGRAMS_MAX / 3 { 100 } else { 5000 }));
    }
}

/// A TCP server that sends back what it gets. It stops with the trial's namespace.
pub(crate) fn echo(address: &str) {
    let listener = TcpListener::bind(SocketAddr::new(at(address), PORT)).expect("bind");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || {
                let mut buffer = vec![0; 64 << 10];
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    if stream.write_all(&buffer[..count]).is_err() {
                        return;
                    }
                }
            });
        }
    });
}

/// Connects from an address, sends some bytes and expects them back. To be called on the client's side.
pub(crate) fn exchange(from: &str, to: &str, bytes: usize, patience: Duration) -> std::io::Result<()> {
    let (from, to) = (SocketAddr::new(at(from), 0), SocketAddr::new(at(to), PORT));
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    socket.bind(&from.into())?;
    socket.connect_timeout(&to.into(), patience)?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let sent: Vec<u8> = (0..bytes).map(|at| at.to_le_bytes()[0]).collect();
    let mut back = Vec::new();
    let mut half = stream.try_clone()?;
    std::thread::scope(|scope| -> std::io::Result<()> {
        let sent = &sent;
        let writer = scope.spawn(move || {
            half.write_all(sent)?;
            half.shutdown(Shutdown::Write)
        });
        stream.read_to_end(&mut back)?;
        writer.join().expect("the writer panicked")
    })?;
    if back == sent { Ok(()) } else { Err(std::io::Error::other("other bytes came back")) }
}

/// Sends SYNs from made-up sources in 198.18.0.0/15; at most 100,000. To be called on the client's side.
pub(crate) fn flood(to: Ipv4Addr, count: u32, stop: &AtomicBool) -> u32 {
    let syns = (0..count).map(|number| syn(made_up(number), to, port(number), spread(number)));
    send_raw(to, syns.take_while(|_| !stop.load(Ordering::Relaxed)))
}

/// Sends whole IPv4 packets, at most 100,000, and says how many went out.
pub(crate) fn send_raw(to: Ipv4Addr, packets: impl Iterator<Item = Vec<u8>>) -> u32 {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255))).expect("raw socket");
    let address = SocketAddr::from((to, PORT)).into();
    packets.take(100_000).map(|packet| u32::from(socket.send_to(&packet, &address).is_ok())).sum()
}

fn spread(number: u32) -> u32 {
    number.wrapping_mul(0x9e37_79b1)
}

fn made_up(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0xc612_0000 | (spread(number) >> 15))
}

fn port(number: u32) -> u16 {
    1024 + (number % 60_000) as u16
}

/// An IPv4 packet with a TCP SYN that offers an MSS.
pub(crate) fn syn(from: Ipv4Addr, to: Ipv4Addr, port: u16, sequence: u32) -> Vec<u8> {
    segment(from, to, port, sequence, 0x02)
}

/// An acknowledgement of nothing, to the server's port.
pub(crate) fn ack(number: u32) -> Vec<u8> {
    let to = SERVER.parse().expect("an address");
    segment(made_up(number), to, port(number), spread(number), 0x10)
}

/// A datagram of one byte, to the server's port.
pub(crate) fn udp(number: u32) -> Vec<u8> {
    let to: Ipv4Addr = SERVER.parse().expect("an address");
    let mut datagram = Vec::new();
    datagram.extend(port(number).to_be_bytes());
    datagram.extend(PORT.to_be_bytes());
    // RFC 768: a checksum of zero means that there is none.
    datagram.extend([0, 9, 0, 0, 0]);
    packet(made_up(number), to, 17, &datagram)
}

fn segment(from: Ipv4Addr, to: Ipv4Addr, port: u16, sequence: u32, flags: u8) -> Vec<u8> {
    let mut tcp = Vec::new();
    tcp.extend(port.to_be_bytes());
    tcp.extend(PORT.to_be_bytes());
    tcp.extend(sequence.to_be_bytes());
    tcp.extend([0, 0, 0, 0, 0x60, flags, 0xfa, 0xf0, 0, 0, 0, 0, 2, 4, 5, 0xb4]);
    let mut pseudo = [from.octets(), to.octets()].concat();
    pseudo.extend([0, 6, 0, 24]);
    let sum = checksum(&[pseudo, tcp.clone()].concat());
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    packet(from, to, 6, &tcp)
}

fn packet(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = (20 + payload.len() as u16).to_be_bytes();
    let mut packet = vec![0x45, 0, length[0], length[1], 0, 0, 0x40, 0, 64, protocol, 0, 0];
    packet.extend(from.octets());
    packet.extend(to.octets());
    let sum = checksum(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(payload);
    packet
}

/// The same in an Ethernet frame.
pub(crate) fn frame(from: Ipv4Addr, to: Ipv4Addr) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    frame.extend(syn(from, to, 40_000, 1));
    frame
}

fn checksum(bytes: &[u8]) -> u16 {
    let sum: u32 =
        bytes.chunks(2).map(|two| u32::from(two[0]) << 8 | two.get(1).copied().map_or(0, u32::from)).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).expect("folded")
}
