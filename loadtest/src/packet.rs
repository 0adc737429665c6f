//! Raw IPv4 packets of a flood, with right checksums: a wrong one would be dropped for the wrong reason.

use std::net::{Ipv4Addr, SocketAddrV4};

/// What a flood consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// Connection attempts.
    Syn,
    /// Acknowledgements that belong to no connection.
    Ack,
    /// Datagrams with a little payload.
    Udp,
    /// Segments that open and end a connection at once.
    Malformed,
    /// Later fragments of datagrams whose beginning is never sent.
    Fragment,
}

const TCP: u8 = 6;
const UDP: u8 = 17;
const UDP_PAYLOAD: [u8; 18] = *b"weir-loadtest-udp\n";

/// One packet from `from` to `to`. `seed` varies sequence numbers from packet to packet.
pub(crate) fn build(kind: Kind, from: SocketAddrV4, to: SocketAddrV4, seed: u32) -> Vec<u8> {
    let (protocol, segment) = match kind {
        Kind::Syn => (TCP, tcp(from, to, seed, 0x02)),
        Kind::Ack => (TCP, tcp(from, to, seed, 0x10)),
        Kind::Malformed => (TCP, tcp(from, to, seed, 0x03)),
        Kind::Udp | Kind::Fragment => (UDP, udp(from, to)),
    };
    let mut packet = vec![0x45, 0];
    packet.extend(length(20 + segment.len()));
    packet.extend(seed.to_be_bytes().first_chunk::<2>().copied().unwrap_or_default());
    // Flags and offset: not to be fragmented, or a last fragment from byte 1480 on.
    packet.extend(if kind == Kind::Fragment { [0x00, 0xb9] } else { [0x40, 0x00] });
    packet.extend([64, protocol, 0, 0]);
    packet.extend(from.ip().octets());
    packet.extend(to.ip().octets());
    let sum = checksum(&[&packet]);
    put(&mut packet, 10, sum);
    packet.extend(segment);
    packet
}

fn tcp(from: SocketAddrV4, to: SocketAddrV4, seed: u32, flags: u8) -> Vec<u8> {
    let mut segment = ports(from, to);
    segment.extend(seed.to_be_bytes());
    segment.extend(if flags & 0x10 == 0 { [0; 4] } else { seed.rotate_left(16).to_be_bytes() });
    segment.extend([0x50, flags, 0xfa, 0xf0, 0, 0, 0, 0]);
    let sum = checksum(&[&pseudo(*from.ip(), *to.ip(), TCP, segment.len()), &segment]);
    put(&mut segment, 16, sum);
    segment
}

fn udp(from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    let mut segment = ports(from, to);
    segment.extend(length(8 + UDP_PAYLOAD.len()));
    segment.extend([0, 0]);
    segment.extend(UDP_PAYLOAD);
    let sum = checksum(&[&pseudo(*from.ip(), *to.ip(), UDP, segment.len()), &segment]);
    put(&mut segment, 6, sum);
    segment
}

fn ports(from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    [from.port().to_be_bytes(), to.port().to_be_bytes()].concat()
}

fn pseudo(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, segment: usize) -> Vec<u8> {
    let mut header = [from.octets(), to.octets()].concat();
    header.extend([0, protocol]);
    header.extend(length(segment));
    header
}

/// Packets here are far below 64 KiB.
fn length(bytes: usize) -> [u8; 2] {
    u16::try_from(bytes).unwrap_or(u16::MAX).to_be_bytes()
}

fn put(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(place) = bytes.get_mut(at..at + 2) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

/// The internet checksum (RFC 1071) over parts of even length, the last may be odd.
fn checksum(parts: &[&[u8]]) -> u16 {
    let pairs = parts.iter().flat_map(|part| part.chunks(2));
    let mut sum: u32 = pairs
        .map(|pair| {
            u32::from(u16::from_be_bytes([
                pair.first().copied().unwrap_or(0),
                pair.get(1).copied().unwrap_or(0),
            ]))
        })
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_verify() {
        let from = SocketAddrV4::new(Ipv4Addr::new(198, 18, 3, 4), 1234);
        let to = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 80);
        for (kind, protocol) in [
            (Kind::Syn, TCP),
            (Kind::Ack, TCP),
            (Kind::Malformed, TCP),
            (Kind::Udp, UDP),
            (Kind::Fragment, UDP),
        ] {
            let packet = build(kind, from, to, 0xdead_beef);
            let (head, segment) = packet.split_at(20);
            assert_eq!(checksum(&[head]), 0, "{kind:?}");
            assert_eq!(
                checksum(&[&pseudo(*from.ip(), *to.ip(), protocol, segment.len()), segment]),
                0,
                "{kind:?}"
            );
            assert_eq!(usize::from(u16::from_be_bytes([packet[2], packet[3]])), packet.len());
        }
    }
}
