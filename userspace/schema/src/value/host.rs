//! Host names to match: `api.example.com`, `*.example.com`, `*`.

use crate::code::Code;
use crate::shape::Shape;
use crate::value::{Fault, Leaf};

/// Which hosts are meant. Names are in lower case and ASCII; international names are written as they travel (`xn--…`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// This name, or this address.
    Exact(String),
    /// `*.example.com`: every name below this one, at any depth; holds `example.com`.
    Below(String),
    /// `*`: every host.
    Any,
}

impl Leaf for HostPattern {
    const WHAT: &'static str = "a host such as `api.example.com`";
    const CODE: Code = Code::Host;

    fn parse(text: &str) -> Result<Self, Fault> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if text.contains("://") {
            return Err(Fault::new("{} is a URL, not a host").hint("Leave out `https://` and the path."));
        }
        let name = text.strip_prefix("*.").unwrap_or(text);
        let offset = text.len().saturating_sub(name.len());
        if let Some(star) = name.find('*') {
            let hint = "A `*` stands for everything below a name: `*.example.com`.";
            return Err(Fault::new("a `*` inside a host name")
                .part(offset.saturating_add(star), 1)
                .hint(hint));
        }
        if let Some((_, port)) = name
            .rsplit_once(':')
            .filter(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
            .filter(|_| !name.starts_with('['))
        {
            let at = text.len().saturating_sub(port.len()).saturating_sub(1);
            return Err(Fault::new("a host is matched without its port")
                .part(at, port.len().saturating_add(1))
                .hint("Ports belong to `listeners`."));
        }
        if !name.is_ascii() {
            return Err(
                Fault::new("{} is not in ASCII").hint("Write the name as it travels, beginning with `xn--`.")
            );
        }
        if !is_host_name(name) && !is_address(name) {
            let fault = Fault::new("{} is not a host name").part(offset, name.len());
            let is_regex = name.starts_with('~');
            let hint = "A regular expression is one of the path: `match: { path: \"~^/v[0-9]+/\" }`.";
            return Err(if is_regex { fault.hint(hint) } else { fault });
        }
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        Ok(if offset > 0 { Self::Below(name) } else { Self::Exact(name) })
    }

    fn spell(&self) -> String {
        match self {
            Self::Exact(name) => name.clone(),
            Self::Below(name) => format!("*.{name}"),
            Self::Any => "*".to_owned(),
        }
    }

    fn shape() -> Shape {
        Shape::Text { what: Self::WHAT, example: "*.example.com" }
    }
}

/// Letters, digits, hyphens and underscores in labels of at most 63, all of it at most 253.
pub(super) fn is_host_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(fits)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // A name whose last label is a number would be read as an address, RFC 1123 section 2.1.
    let last_is_number = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    name.len() <= 253 && name.split('.').all(label) && !last_is_number
}

fn is_address(name: &str) -> bool {
    let inner = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match inner {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => name.parse::<std::net::Ipv4Addr>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read() {
        let check = |text: &str, expect: HostPattern| assert_eq!(HostPattern::parse(text), Ok(expect));
        check("API.example.com", HostPattern::Exact("api.example.com".into()));
        check("*.example.com", HostPattern::Below("example.com".into()));
        check("*", HostPattern::Any);
        check("localhost", HostPattern::Exact("localhost".into()));
        check("10.0.0.1", HostPattern::Exact("10.0.0.1".into()));
        check("[::1]", HostPattern::Exact("[::1]".into()));
    }

    #[test]
    fn others_are_refused() {
        let check = |text: &str, part: Option<(usize, usize)>| {
            assert_eq!(HostPattern::parse(text).unwrap_err().part, part, "{text}");
        };
        check("https://example.com", None);
        check("a.*.example.com", Some((2, 1)));
        check("example.com:443", Some((11, 4)));
        check("exa mple.com", Some((0, 12)));
        check("münchen.example", None);
        check("-a.example", Some((0, 10)));
        check("", Some((0, 0)));
        check("1.2.3", Some((0, 5)));
    }
}
