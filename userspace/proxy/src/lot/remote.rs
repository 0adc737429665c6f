//! The address of whoever has connected, for as long as nothing is said to it.
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// An address in 20 bytes; [`SocketAddr`] takes 32. To which link or flow one of IPv6 belongs is forgotten.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remote {
    ip: [u8; 16],
    port: u16,
    is_v4: bool,
}

impl Remote {
    pub(crate) fn of(address: SocketAddr) -> Remote {
        let ip = match address.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        Remote { ip: ip.octets(), port: address.port(), is_v4: address.is_ipv4() }
    }

    pub(crate) fn address(self) -> SocketAddr {
        let six = Ipv6Addr::from_octets(self.ip);
        let ip = if self.is_v4 { six.to_canonical() } else { six.into() };
        SocketAddr::new(ip, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_back_as_it_was() {
        for text in ["192.0.2.1:80", "[2001:db8::1]:65535", "[::ffff:192.0.2.1]:1", "[::]:0", "0.0.0.0:0"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(Remote::of(address).address(), address);
        }
    }
}
