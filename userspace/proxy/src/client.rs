//! Who the client is: the one resolver of addresses, used alike by log, limits, lists and bans.
use ipnet::IpNet;
use std::net::{IpAddr, Ipv6Addr};
use weir_message::{Head, Name};

/// The client's address: walking `X-Forwarded-For` from the right, the first that no trusted network holds.
///
/// Without a trusted peer, whatever the head says is ignored. An entry that is not an address ends the walk:
/// what lies to its left was never vouched for.
pub(crate) fn resolve(peer: IpAddr, head: &Head, trusted: &[IpNet]) -> IpAddr {
    let mut client = canonical(peer);
    if !is_trusted(client, trusted) {
        return client;
    }
    let entries = head.every(Name::XForwardedFor).collect::<Vec<_>>();
    for entry in entries.iter().rev().flat_map(|line| line.rsplit(|&byte| byte == b',')) {
        let Some(address) = parse(entry) else { return client };
        client = address;
        if !is_trusted(client, trusted) {
            return client;
        }
    }
    client
}

/// Whether an address lies in a trusted network.
pub(crate) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// An IPv4 address written as IPv6 is the IPv4 address.
pub(crate) fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// An address with an optional port, as proxies write it.
fn parse(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim();
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(canonical(address));
    }
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    if let Some((inner, _port)) = bracketed {
        return inner.parse::<Ipv6Addr>().ok().map(|address| canonical(address.into()));
    }
    let (address, port) = text.split_once(':')?;
    port.parse::<u16>().ok()?;
    address.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(peer: &str, lines: &[&str], expect: &str) {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().unwrap()).to_vec();
        let mut head = Head::default();
        for line in lines {
            head.append("X-Forwarded-For", line.as_bytes()).unwrap();
        }
        let found = resolve(peer.parse().unwrap(), &head, &trusted);
        assert_eq!(found, expect.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
    }

    #[test]
    fn b8_b23_the_rightmost_untrusted_address_is_the_client() {
        check("192.0.2.1", &["127.0.0.1, 10.0.0.1"], "192.0.2.1");
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &["203.0.113.9, 198.51.100.7"], "198.51.100.7");
        check("10.0.0.1", &["203.0.113.9, 198.51.100.7, 10.1.1.1"], "198.51.100.7");
        check("10.0.0.1", &["203.0.113.9", "198.51.100.7", "10.1.1.1"], "198.51.100.7");
        check("10.0.0.1", &["10.0.0.9"], "10.0.0.9");
        check("::ffff:10.0.0.1", &["::ffff:198.51.100.7"], "198.51.100.7");
        check("fd00::1", &["[2001:db8::5]:443"], "2001:db8::5");
        check("10.0.0.1", &["198.51.100.7:1234"], "198.51.100.7");
        check("10.0.0.1", &["198.51.100.7, unknown"], "10.0.0.1");
        check("10.0.0.1", &["198.51.100.7,"], "10.0.0.1");
    }
}
