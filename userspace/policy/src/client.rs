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

/// How many leading bits of an IPv6 address name a client. Whoever has one has the whole network (RFC 6177), so less
/// would be a way around any limit.
const V6_BITS: u32 = 64;

/// What of an address names a client: the whole of IPv4, the network of IPv6.
pub(crate) fn source(address: Ipv6Addr) -> u128 {
    let bits = u128::from(address);
    if address.to_ipv4_mapped().is_some() { bits } else { bits & u128::MAX << (128 - V6_BITS) }
}
