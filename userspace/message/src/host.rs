//! The authority of a request: a host that can be routed by, and a port.
use crate::{Error, span::Span};

/// A checked `host [":" port]`, as ranges of the text it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host<'a> {
    /// Name or address; brackets belong to it. Not yet in lower case, without a final dot.
    pub name: &'a [u8],
    /// The port, if one is written.
    pub port: Option<u16>,
}

impl Host<'_> {
    /// RFC 9110, section 7.2, narrowed: letters, digits, `-`, `.` and `_`, or an address in brackets. Userinfo,
    /// lists, escapes, paths and empty hosts or ports are refused.
    pub fn parse(text: &[u8]) -> Result<Host<'_>, Error> {
        let (name, port) = split(text).ok_or(Error::Host)?;
        let valid = match name {
            [b'[', inner @ .., b']'] => is_ipv6(inner),
            _ => is_name(name),
        };
        if !valid {
            return Err(Error::Host);
        }
        let port = port.map(parse_port).transpose()?;
        let name = name.strip_suffix(b".").unwrap_or(name);
        Ok(Host { name, port })
    }

    pub(crate) fn span(&self, whole: &[u8]) -> Span {
        Span::within(whole, self.name)
    }
}

/// Splits at the colon that is not part of an address.
fn split(text: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let name_end = match text.first()? {
        b'[' => text.iter().position(|&byte| byte == b']')? + 1,
        _ => text.iter().position(|&byte| byte == b':').unwrap_or(text.len()),
    };
    let (name, rest) = text.split_at_checked(name_end)?;
    match rest {
        [] => Some((name, None)),
        [b':', port @ ..] => Some((name, Some(port))),
        _ => None,
    }
}

fn is_name(name: &[u8]) -> bool {
    let inner = name.strip_suffix(b".").unwrap_or(name);
    // A label is empty where two dots meet, or one stands at an end.
    let mut after_dot = true;
    for byte in inner {
        match byte {
            b'.' if after_dot => return false,
            b'.' => after_dot = true,
            b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => after_dot = false,
            _ => return false,
        }
    }
    !after_dot && inner.len() <= 253
}

fn is_ipv6(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok())
}

fn parse_port(text: &[u8]) -> Result<u16, Error> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Err(Error::Host);
    }
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Error::Host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<(&str, Option<u16>)>) {
        let found = Host::parse(text.as_bytes()).ok();
        let expect = expect.map(|(name, port)| Host { name: name.as_bytes(), port });
        assert_eq!(found, expect, "{text:?}");
    }

    #[test]
    fn hosts() {
        check("a", Some(("a", None)));
        check("api.example.com:8443", Some(("api.example.com", Some(8443))));
        check("example.com.", Some(("example.com", None)));
        check("my_service:80", Some(("my_service", Some(80))));
        check("192.0.2.1", Some(("192.0.2.1", None)));
        check("[2001:db8::1]:443", Some(("[2001:db8::1]", Some(443))));
    }

    #[test]
    fn b2_anything_else_is_no_host() {
        for text in [
            "", "a, b", "a,b", "u@a", "a/x", "a:", "a:x", "a:65536", "a:80:80", ".", "a..b", ".a", "[::1",
            "::1", "[::1]x", "[zz]", "a b", "a%41", "a\\b", "a?x", "a#x", "\u{e9}", "a:+80",
        ] {
            check(text, None);
        }
    }
}
