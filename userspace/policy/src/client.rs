//! Who is asking, by address. IPv4 is mapped into IPv6.
use std::net::{IpAddr, Ipv6Addr};

/// The two addresses of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The other end of the socket: the only address that is ever banned.
    pub socket: Ipv6Addr,
    /// The client as trusted proxies name it: what lists, limits and logs go by.
    pub address: Ipv6Addr,
}

impl Client {
    /// A client that came without a proxy.
    pub fn direct(address: IpAddr) -> Client {
        let address = mapped(address);
        Client { socket: address, address }
    }

    /// Whether a trusted proxy stands between: then the socket is shared by many clients and must not pay for one.
    pub fn is_behind_proxy(&self) -> bool {
        self.socket != self.address
    }
}

/// An address in the one form that is used inside.
pub fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}
