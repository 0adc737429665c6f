//! Networks: `192.0.2.0/24`, `2001:db8::/32`; a bare address is a network of one.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use crate::code::Code;
use crate::shape::Shape;
use crate::value::{Fault, Leaf};

/// A network whose host bits are all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr(pub IpNet);

impl Leaf for Cidr {
    const WHAT: &'static str = "a network such as `192.0.2.0/24`";
    const CODE: Code = Code::Cidr;

    fn parse(text: &str) -> Result<Self, Fault> {
        let net = parse_cidr(text)?;
        if net.trunc() != net {
            let message = format!("`{text}` has bits set beyond its prefix");
            return Err(Fault::new(message).hint(format!(
                "The network is `{}`, this host alone `{}`.",
                net.trunc(),
                net.addr()
            )));
        }
        Ok(Self(net))
    }

    fn spell(&self) -> String {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            self.0.addr().to_string()
        } else {
            self.0.to_string()
        }
    }

    fn shape() -> Shape {
        Shape::Text { what: Self::WHAT, example: "192.0.2.0/24" }
    }
}

/// Reads an address or a network; host bits may be set.
///
/// # Errors
/// What is wrong with it.
pub fn parse_cidr(text: &str) -> Result<IpNet, Fault> {
    let Some((address, prefix)) = text.split_once('/') else {
        return IpAddr::from_str(text)
            .map(IpNet::from)
            .map_err(|_| not_an_address(text, "{} is not an address or network"));
    };
    let address = IpAddr::from_str(address).map_err(|_| {
        not_an_address(address, &format!("`{address}` is not an address")).part(0, address.len())
    })?;
    let max: u8 = if address.is_ipv4() { 32 } else { 128 };
    let offset = text.len().saturating_sub(prefix.len());
    let length = prefix.parse::<u8>().ok().filter(|_| !prefix.starts_with('+'));
    let net = length.and_then(|length| IpNet::new(address, length).ok());
    net.ok_or_else(|| {
        let hint = if prefix.contains('.') { netmask(prefix) } else { None };
        let hint = hint.unwrap_or_else(|| format!("The prefix of this address is between 0 and {max}."));
        Fault::new(format!("`{prefix}` is not the length of a prefix")).part(offset, prefix.len()).hint(hint)
    })
}

fn netmask(text: &str) -> Option<String> {
    let mask = IpAddr::from_str(text).ok()?;
    let length = ipnet::ip_mask_to_prefix(mask).ok()?;
    Some(format!("This netmask is written `/{length}`."))
}

fn not_an_address(text: &str, message: &str) -> Fault {
    let fault = Fault::new(message);
    if text.parse::<std::net::SocketAddr>().is_ok() {
        return fault.hint("A network has no port.");
    }
    let octets = text.split('.').count();
    if octets < 4 && text.contains('.') && text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return fault.hint("Write all four parts, such as `10.0.0.0/8`.");
    }
    if text.bytes().any(|b| b.is_ascii_alphabetic()) && !text.contains(':') {
        return fault.hint("Names are not looked up here; write the address.");
    }
    fault
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_and_spelled() {
        for text in ["192.0.2.0/24", "2001:db8::/32", "0.0.0.0/0", "198.51.100.7", "::1"] {
            assert_eq!(Cidr::parse(text).unwrap().spell(), text);
        }
    }

    #[test]
    fn faults_point_at_their_part() {
        let check = |text: &str, part: Option<(usize, usize)>, hint: &str| {
            let fault = Cidr::parse(text).unwrap_err();
            assert_eq!(fault.part, part, "{text}");
            assert!(fault.hint.as_deref().unwrap_or("").contains(hint), "{text}: {fault:?}");
        };
        check("10.0.0.1/8", None, "`10.0.0.0/8`");
        check("10.0.0.0/33", Some((9, 2)), "0 and 32");
        check("10.0.0/8", Some((0, 6)), "four parts");
        check("10.0.0.0/255.0.0.0", Some((9, 9)), "`/8`");
        check("example.com", None, "Names");
        check("10.0.0.1:80", None, "no port");
        check("300.0.0.1", None, "");
    }
}
