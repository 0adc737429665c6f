//! What a router asks about a request.

use std::net::Ipv6Addr;

use weir_message::{Name, Request};
use weir_policy::Identity;
use weir_policy::jwt::ClaimPath;
use weir_policy::jwt::json::Value;

use crate::id::ListenerId;

/// A request and what is known about who sent it.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The request, settled: its host in lower case, its path in normal form.
    pub request: &'a Request,
    /// Where it arrived.
    pub listener: ListenerId,
    /// The client's address, resolved over trusted proxies; IPv4 mapped into IPv6.
    pub client: Ipv6Addr,
    /// The server name asked for in TLS, in lower case.
    pub sni: Option<&'a str>,
    /// Who sent it, as far as policies have found out.
    pub identity: Option<&'a Identity>,
}

impl<'a> Ask<'a> {
    /// The values of a cookie by name, without quotes (RFC 6265, section 4.2).
    pub fn cookies(&self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let pairs = self.request.head.every(Name::Cookie).flat_map(|line| line.split(|byte| *byte == b';'));
        pairs.filter_map(move |pair| {
            let (own, value) = cut(pair.trim_ascii(), b'=')?;
            (own == name.as_bytes()).then(|| unquoted(value))
        })
    }

    /// The values of a query parameter by name, as received: escapes are still there.
    pub fn parameters(&self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let query = self.request.query().unwrap_or_default();
        query.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).filter_map(move |pair| {
            let (own, value) = cut(pair, b'=').unwrap_or((pair, b""));
            unescaped_is(own, name.as_bytes()).then_some(value)
        })
    }
}

/// The values of a claim: the elements of a list, else the claim itself.
pub(super) fn claims<'a>(identity: Option<&'a Identity>, path: &ClaimPath) -> impl Iterator<Item = &'a [u8]> {
    let claims = identity.and_then(|identity| identity.claims.as_deref());
    let value = claims.and_then(|claims| claims.find(path));
    value.into_iter().flat_map(|value| value.items().chain([value])).filter_map(Value::scalar)
}

fn cut(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = text.iter().position(|byte| *byte == at)?;
    Some((text.get(..place)?, text.get(place + 1..)?))
}

fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")).unwrap_or(value)
}

/// The bytes that an escaped text of a query stands for; `+` is a space there. A broken escape stands for itself.
pub(super) fn unescape(text: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (byte, tail) = rest.split_first()?;
        rest = tail;
        match byte {
            b'+' => Some(b' '),
            b'%' => match tail {
                [high, low, after @ ..] => match (digit(*high), digit(*low)) {
                    (Some(high), Some(low)) => {
                        rest = after;
                        Some(high << 4 | low)
                    }
                    _ => Some(b'%'),
                },
                _ => Some(b'%'),
            },
            _ => Some(*byte),
        }
    })
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn unescaped_is(text: &[u8], plain: &[u8]) -> bool {
    text == plain || unescape(text).eq(plain.iter().copied())
}
