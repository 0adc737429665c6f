//! The PROXY protocol, versions 1 and 2: a peer in front of us says whose connection it hands over.
//!
//! A listener either demands the header or does not know it; nothing is guessed. Whatever is malformed ends the
//! connection (haproxy's proxy-protocol.txt, sections 2.1 and 2.2).
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use weir_plan::upstream::ProxyVersion;

/// What a header said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// The peer speaks for itself, as for a health check: its own address holds.
    Local,
    /// The client's address, and the one it connected to.
    Proxied {
        /// The client.
        source: SocketAddr,
        /// Where the client connected to.
        destination: SocketAddr,
    },
}

/// The header is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed PROXY header")]
pub(crate) struct Malformed;

const V1_MAX: usize = 107;
const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The kind of the extension that is a checksum (section 2.2.3).
const CRC32C: u8 = 3;
/// Two paths of unix sockets.
const UNIX_BYTES: usize = 216;
/// Version 2 with addresses and extensions; a longer one is refused, which bounds what is buffered.
const V2_MAX: usize = 1024;

/// Reads a header from the start of what was received. Returns it with its length, or nothing if it is incomplete.
pub(crate) fn parse(input: &[u8]) -> Result<Option<(Header, usize)>, Malformed> {
    let start = input.get(..12).unwrap_or(input);
    if V2_SIGNATURE.starts_with(start) {
        return if start.len() < 12 { Ok(None) } else { parse_v2(input) };
    }
    let start = input.get(..6).unwrap_or(input);
    if b"PROXY ".starts_with(start) {
        return if start.len() < 6 { Ok(None) } else { parse_v1(input) };
    }
    Err(Malformed)
}

fn parse_v1(input: &[u8]) -> Result<Option<(Header, usize)>, Malformed> {
    let window = input.get(..V1_MAX).unwrap_or(input);
    let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
        return if window.len() == V1_MAX { Err(Malformed) } else { Ok(None) };
    };
    let line = std::str::from_utf8(input.get(..end).unwrap_or_default()).map_err(|_| Malformed)?;
    let words: Vec<&str> = line.split(' ').collect();
    let header = match words.as_slice() {
        ["PROXY", "UNKNOWN", ..] => Header::Local,
        ["PROXY", family @ ("TCP4" | "TCP6"), source, destination, source_port, destination_port] => {
            let address = |ip: &str, port: &str| -> Result<SocketAddr, Malformed> {
                let ip = if *family == "TCP4" {
                    ip.parse::<Ipv4Addr>().map(IpAddr::from)
                } else {
                    ip.parse::<Ipv6Addr>().map(IpAddr::from)
                };
                Ok(SocketAddr::new(ip.map_err(|_| Malformed)?, port_of(port)?))
            };
            Header::Proxied {
                source: address(source, source_port)?,
                destination: address(destination, destination_port)?,
            }
        }
        _ => return Err(Malformed),
    };
    Ok(Some((header, end + 2)))
}

/// Digits only, without leading zeros.
fn port_of(text: &str) -> Result<u16, Malformed> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().map_err(|_| Malformed) } else { Err(Malformed) }
}

fn parse_v2(input: &[u8]) -> Result<Option<(Header, usize)>, Malformed> {
    let Some(&[version_command, family, high, low]) = input.get(12..16) else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if version_command >> 4 != 2 || length > V2_MAX {
        return Err(Malformed);
    }
    let Some(body) = input.get(16..16 + length) else { return Ok(None) };
    let whole = input.get(..16 + length).unwrap_or_default();
    let header = match (version_command & 0xf, family) {
        (0, _) => Header::Local,
        (1, 0x11) => proxied::<4>(body, whole)?,
        (1, 0x21) => proxied::<16>(body, whole)?,
        // Neither no family nor a unix socket has an address for us: that of the socket holds.
        (1, 0x00) => Header::Local,
        (1, 0x31) if body.len() >= UNIX_BYTES => Header::Local,
        _ => return Err(Malformed),
    };
    Ok(Some((header, 16 + length)))
}

/// Two addresses of `N` bytes, two ports, then extensions.
fn proxied<const N: usize>(body: &[u8], whole: &[u8]) -> Result<Header, Malformed>
where
    IpAddr: From<[u8; N]>,
{
    let (source, rest) = body.split_first_chunk::<N>().ok_or(Malformed)?;
    let (destination, rest) = rest.split_first_chunk::<N>().ok_or(Malformed)?;
    let ([a, b, c, d], extensions) = rest.split_first_chunk::<4>().ok_or(Malformed)?;
    check_extensions(extensions, whole)?;
    Ok(Header::Proxied {
        source: SocketAddr::new(IpAddr::from(*source), u16::from_be_bytes([*a, *b])),
        destination: SocketAddr::new(IpAddr::from(*destination), u16::from_be_bytes([*c, *d])),
    })
}

/// Every extension must end where it says, and the last one where the header ends; a checksum must be right.
fn check_extensions(mut rest: &[u8], whole: &[u8]) -> Result<(), Malformed> {
    while !rest.is_empty() {
        let ([kind, high, low], tail) = rest.split_first_chunk::<3>().ok_or(Malformed)?;
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, next) = tail.split_at_checked(length).ok_or(Malformed)?;
        if *kind == CRC32C {
            let claimed = <[u8; 4]>::try_from(value).map_err(|_| Malformed)?;
            let (before, after) = (whole.len() - tail.len(), next.len());
            if u32::from_be_bytes(claimed) != crc32c(whole, before, after) {
                return Err(Malformed);
            }
        }
        rest = next;
    }
    Ok(())
}

/// The checksum of a header (RFC 4960, appendix B), in which its own four bytes, `before` from the start and `after` from
/// the end, count as zero.
fn crc32c(whole: &[u8], before: usize, after: usize) -> u32 {
    let ours = before..whole.len() - after;
    let bytes = whole.iter().enumerate().map(|(at, byte)| if ours.contains(&at) { 0 } else { *byte });
    !bytes.fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    })
}

/// Writes the header for a connection to an upstream: who the client is, and where it connected to.
pub(crate) fn write(version: ProxyVersion, source: SocketAddr, destination: SocketAddr, out: &mut Vec<u8>) {
    match version {
        ProxyVersion::V1 => write_v1(source, destination, out),
        ProxyVersion::V2 => write_v2(source, destination, out),
    }
}

fn write_v1(source: SocketAddr, destination: SocketAddr, out: &mut Vec<u8>) {
    let (from, to) = (source.port(), destination.port());
    // Writing to a vector cannot fail.
    drop(match (source.ip(), destination.ip()) {
        (IpAddr::V4(one), IpAddr::V4(other)) => write!(out, "PROXY TCP4 {one} {other} {from} {to}\r\n"),
        (one, other) => {
            write!(out, "PROXY TCP6 {} {} {from} {to}\r\n", mapped(one), mapped(other))
        }
    });
}

fn write_v2(source: SocketAddr, destination: SocketAddr, out: &mut Vec<u8>) {
    out.extend_from_slice(V2_SIGNATURE);
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            out.extend_from_slice(&[0x21, 0x11, 0, 12]);
            out.extend_from_slice(&from.octets());
            out.extend_from_slice(&to.octets());
        }
        (from, to) => {
            out.extend_from_slice(&[0x21, 0x21, 0, 36]);
            out.extend_from_slice(&mapped(from).octets());
            out.extend_from_slice(&mapped(to).octets());
        }
    }
    out.extend_from_slice(&source.port().to_be_bytes());
    out.extend_from_slice(&destination.port().to_be_bytes());
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &[u8], expect: Result<Option<(Header, usize)>, Malformed>) {
        assert_eq!(parse(input), expect, "{input:?}");
    }

    fn proxied(source: &str, destination: &str) -> Header {
        Header::Proxied { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
    }

    #[test]
    fn b29_version_1() {
        let line = b"PROXY TCP4 192.0.2.1 198.51.100.2 1234 443\r\nGET";
        check(line, Ok(Some((proxied("192.0.2.1:1234", "198.51.100.2:443"), 44))));
        let line = b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n";
        check(line, Ok(Some((proxied("[2001:db8::1]:1", "[2001:db8::2]:2"), 40))));
        check(b"PROXY UNKNOWN anything\r\n", Ok(Some((Header::Local, 24))));
        for end in 0..line.len() {
            check(&line[..end], Ok(None));
        }
    }

    #[test]
    fn b10_version_1_malformed() {
        for line in [
            "GET / HTTP/1.1\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
            "PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
            "proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        ] {
            check(line.as_bytes(), Err(Malformed));
        }
        check(format!("PROXY UNKNOWN {}", "x".repeat(120)).as_bytes(), Err(Malformed));
    }

    #[test]
    fn b29_both_versions_are_read_as_written() {
        for (source, destination) in [
            ("192.0.2.1:1", "192.0.2.2:2"),
            ("[2001:db8::1]:1", "[2001:db8::2]:2"),
            ("[2001:db8::1]:65535", "[::ffff:192.0.2.2]:65535"),
        ] {
            for version in [ProxyVersion::V1, ProxyVersion::V2] {
                let mut header = Vec::new();
                write(version, source.parse().unwrap(), destination.parse().unwrap(), &mut header);
                check(&header, Ok(Some((proxied(source, destination), header.len()))));
                for end in 0..header.len() {
                    check(&header[..end], Ok(None));
                }
            }
        }
        let mut line = Vec::new();
        let [one, other] = ["192.0.2.1:1", "[2001:db8::2]:2"].map(|address| address.parse().unwrap());
        write(ProxyVersion::V1, one, other, &mut line);
        assert_eq!(line, b"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1 2\r\n");
    }

    #[test]
    fn b29_version_2_with_extensions() {
        let mut header = Vec::new();
        let [one, other] = ["192.0.2.1:1", "192.0.2.2:2"].map(|address| address.parse().unwrap());
        write(ProxyVersion::V2, one, other, &mut header);
        header[15] = 12 + 7 + 6;
        header.extend_from_slice(&[CRC32C, 0, 4, 0, 0, 0, 0]);
        header.extend_from_slice(&[2, 0, 3, b'a', b'.', b'b']);
        // What another implementation of the checksum makes of these bytes.
        assert_eq!(crc32c(b"123456789", 9, 0), 0xe306_9283);
        let sum = crc32c(&header, 31, 6).to_be_bytes();
        header[31..35].copy_from_slice(&sum);
        check(&header, Ok(Some((proxied("192.0.2.1:1", "192.0.2.2:2"), header.len()))));
        header[20] ^= 1;
        check(&header, Err(Malformed));
    }

    #[test]
    fn b10_version_2_malformed() {
        let with = |tail: &[u8]| [&V2_SIGNATURE[..], tail].concat();
        check(&with(&[0x20, 0, 0, 0]), Ok(Some((Header::Local, 16))));
        check(&with(&[0x21, 0, 0, 0]), Ok(Some((Header::Local, 16))));
        check(&with(&[&[0x21, 0x31, 0, 216][..], &[0; 216]].concat()), Ok(Some((Header::Local, 232))));
        check(&with(&[0x21, 0x31, 0, 0]), Err(Malformed));
        check(&with(&[0x11, 0x11, 0, 12]), Err(Malformed));
        check(&with(&[0x22, 0x11, 0, 0]), Err(Malformed));
        check(&with(&[0x21, 0x11, 0xff, 0xff]), Err(Malformed));
        check(&with(&[0x21, 0x11, 0, 4, 1, 2, 3, 4]), Err(Malformed));
        let mut bad_extension = with(&[0x21, 0x11, 0, 16]);
        bad_extension.extend_from_slice(&[1; 12]);
        bad_extension.extend_from_slice(&[4, 0, 9, 0]);
        check(&bad_extension, Err(Malformed));
    }
}
