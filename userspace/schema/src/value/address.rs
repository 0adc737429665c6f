//! Where to connect and where to listen: `10.0.0.11:8080`, `orders.internal:8080`, `:443`, `unix:/run/app.sock`, `tcp/443`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::code::Code;
use crate::shape::Shape;
use crate::value::host::is_host_name;
use crate::value::{Fault, Leaf};

/// Where something can be reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// An address and port.
    Ip(SocketAddr),
    /// A name, looked up and looked up again, and a port.
    Name(String, u16),
    /// A unix socket.
    Unix(String),
}

impl Leaf for Address {
    const WHAT: &'static str = "an address and port such as `10.0.0.11:8080`";
    const CODE: Code = Code::Address;

    fn parse(text: &str) -> Result<Self, Fault> {
        if let Some(path) = text.strip_prefix("unix:") {
            return unix_path(path).map(Self::Unix);
        }
        if text.contains("://") {
            return Err(Fault::new("{} is a URL, not an address and port")
                .hint("Write `host:port`; `tls: {}` beside it speaks TLS."));
        }
        if let Ok(address) = SocketAddr::from_str(text) {
            return nonzero(address.port(), text).map(|_| Self::Ip(address));
        }
        let (host, port) = split_port(text)?;
        if !is_host_name(host) {
            return Err(
                Fault::new(format!("`{host}` is neither an address nor a host name")).part(0, host.len())
            );
        }
        Ok(Self::Name(host.to_ascii_lowercase(), port))
    }

    fn spell(&self) -> String {
        match self {
            Self::Ip(address) => address.to_string(),
            Self::Name(name, port) => format!("{name}:{port}"),
            Self::Unix(path) => format!("unix:{path}"),
        }
    }

    fn shape() -> Shape {
        Shape::Text { what: Self::WHAT, example: "10.0.0.11:8080" }
    }
}

/// Where to listen; without an address on all of them, IPv6 and IPv4.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bind {
    /// One address, or all of one family.
    Ip(SocketAddr),
    /// `:443`: all addresses of both families by one dual-stack socket.
    Any(u16),
    /// A unix socket.
    Unix(String),
}

impl Bind {
    /// The address to give to the socket; `None` for a unix socket.
    #[must_use]
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Any(port) => Some(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), *port)),
            Self::Unix(_) => None,
        }
    }

    /// The two would compete for a port.
    #[must_use]
    pub fn collides(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ip(a), Self::Ip(b)) => a == b,
            (Self::Any(port), Self::Ip(one)) | (Self::Ip(one), Self::Any(port)) => {
                one.port() == *port
                    && (one.ip() == Ipv6Addr::UNSPECIFIED || one.ip() == Ipv4Addr::UNSPECIFIED)
            }
            _ => self == other,
        }
    }
}

impl Leaf for Bind {
    const WHAT: &'static str = "where to listen such as `\":443\"`";
    const CODE: Code = Code::Address;

    fn parse(text: &str) -> Result<Self, Fault> {
        if let Some(path) = text.strip_prefix("unix:") {
            return unix_path(path).map(Self::Unix);
        }
        if let Ok(address) = Ipv6Addr::from_str(text) {
            return Err(Fault::new("{} has no port").hint(format!("Write `\"[{address}]:443\"`.")));
        }
        if let Some(port) = text.strip_prefix(':').or_else(|| text.strip_prefix("*:")) {
            return parse_port(port, text.len().saturating_sub(port.len())).map(Self::Any);
        }
        if let Ok(address) = SocketAddr::from_str(text) {
            return nonzero(address.port(), text).map(|_| Self::Ip(address));
        }
        if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() {
            return Err(Fault::new("{} is a port without its colon").hint(format!("Write `\":{text}\"`.")));
        }
        let (host, _) = split_port(text)?;
        let hint = "Listen on an address (`10.0.0.1:443`, `\"[::1]:443\"`) or on all (`\":443\"`); names are for `match.hosts`.";
        Err(Fault::new(format!("`{host}` is not an address of this host")).part(0, host.len()).hint(hint))
    }

    fn spell(&self) -> String {
        match self {
            Self::Ip(address) => address.to_string(),
            Self::Any(port) => format!(":{port}"),
            Self::Unix(path) => format!("unix:{path}"),
        }
    }

    fn shape() -> Shape {
        Shape::Text { what: Self::WHAT, example: ":443" }
    }
}

/// What carries a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A protocol and port: `tcp/443`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Port {
    /// Which protocol.
    pub transport: Transport,
    /// Which port.
    pub number: u16,
}

impl Leaf for Port {
    const WHAT: &'static str = "a protocol and port such as `tcp/443`";
    const CODE: Code = Code::Port;

    fn parse(text: &str) -> Result<Self, Fault> {
        let Some((transport, port)) = text.split_once('/') else {
            let fault = Fault::new("{} is not a protocol and port");
            return Err(if text.parse::<u16>().is_ok() {
                fault.hint(format!("Did you mean `tcp/{text}`?"))
            } else {
                fault.hint("Write `tcp/443` or `udp/53`.")
            });
        };
        let kind = match transport {
            "tcp" => Transport::Tcp,
            "udp" => Transport::Udp,
            _ if port == "tcp" || port == "udp" => {
                return Err(
                    Fault::new("{} has its parts reversed").hint(format!("Write `{port}/{transport}`."))
                );
            }
            _ => {
                return Err(Fault::new(format!("`{transport}` is not a protocol with ports"))
                    .part(0, transport.len())
                    .hint("It is `tcp` or `udp`."));
            }
        };
        let number = parse_port(port, transport.len().saturating_add(1))?;
        Ok(Self { transport: kind, number })
    }

    fn spell(&self) -> String {
        let transport = match self.transport {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        };
        format!("{transport}/{}", self.number)
    }

    fn shape() -> Shape {
        Shape::Text { what: Self::WHAT, example: "tcp/443" }
    }
}

fn split_port(text: &str) -> Result<(&str, u16), Fault> {
    let bare_v6 = Ipv6Addr::from_str(text).is_ok();
    if bare_v6 {
        return Err(Fault::new("{} has no port").hint(format!("Write `\"[{text}]:8080\"`.")));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(
            Fault::new("{} has no port").hint(format!("Write `{text}:8080`, with the port it listens on."))
        );
    };
    let offset = text.len().saturating_sub(port.len());
    Ok((host, parse_port(port, offset)?))
}

fn parse_port(text: &str, offset: usize) -> Result<u16, Fault> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let port = text.parse::<u16>().ok().filter(|port| digits && *port > 0);
    port.ok_or_else(|| {
        Fault::new(format!("`{text}` is not a port"))
            .part(offset, text.len())
            .hint("A port is between 1 and 65535.")
    })
}

fn nonzero(port: u16, text: &str) -> Result<u16, Fault> {
    if port > 0 {
        return Ok(port);
    }
    Err(Fault::new("`0` is not a port")
        .part(text.len().saturating_sub(1), 1)
        .hint("A port is between 1 and 65535."))
}

fn unix_path(path: &str) -> Result<String, Fault> {
    // The kernel holds the path of a socket in 108 bytes, one of them for the end.
    if path.starts_with('/') && path.len() <= 107 && !path.contains('\0') {
        return Ok(path.to_owned());
    }
    Err(Fault::new(format!("`{path}` is not the path of a socket"))
        .part(5, path.len())
        .hint("It begins with `/` and has at most 107 bytes."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_spelled() {
        for text in ["10.0.0.11:8080", "[::1]:80", "orders.internal:8080", "unix:/run/app.sock"] {
            assert_eq!(Address::parse(text).unwrap().spell(), text);
        }
        for text in [":443", "0.0.0.0:443", "[::]:443", "unix:/run/weir/in.sock"] {
            assert_eq!(Bind::parse(text).unwrap().spell(), text);
        }
        assert_eq!(Port::parse("udp/53").unwrap().spell(), "udp/53");
    }

    #[test]
    fn faults_point_at_their_part() {
        let address = |text: &str| Address::parse(text).unwrap_err().part;
        assert_eq!(address("10.0.0.1"), None);
        assert_eq!(address("10.0.0.1:http"), Some((9, 4)));
        assert_eq!(address("10.0.0.1:0"), Some((9, 1)));
        assert_eq!(address("a b:80"), Some((0, 3)));
        assert_eq!(address("::1"), None);
        assert_eq!(address("http://a:80"), None);
        let bind = |text: &str| Bind::parse(text).unwrap_err().part;
        assert_eq!(bind("443"), None);
        assert_eq!(bind(":70000"), Some((1, 5)));
        assert_eq!(bind("example.com:443"), Some((0, 11)));
        assert_eq!(Port::parse("sctp/1").unwrap_err().part, Some((0, 4)));
    }

    #[test]
    fn binds_collide_on_the_same_port() {
        let check = |a: &str, b: &str, expect: bool| {
            let (a, b) = (Bind::parse(a).unwrap(), Bind::parse(b).unwrap());
            assert_eq!((a.collides(&b), b.collides(&a)), (expect, expect));
        };
        check(":443", "0.0.0.0:443", true);
        check(":443", ":443", true);
        check(":443", "10.0.0.1:443", false);
        check(":443", ":80", false);
        check("0.0.0.0:443", "[::]:443", false);
    }
}
