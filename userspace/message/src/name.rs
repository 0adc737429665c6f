//! The field names that the proxy itself acts on, recognised once when a head is read.

/// A field name that has a meaning here. Everything else is [`Name::Other`] and found by its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "each variant is the field of that name")]
pub enum Name {
    #[default]
    Other,
    Accept,
    AcceptEncoding,
    Authorization,
    CacheControl,
    Connection,
    ContentEncoding,
    ContentLength,
    ContentType,
    Cookie,
    Date,
    Expect,
    Forwarded,
    Host,
    Http2Settings,
    KeepAlive,
    Location,
    Origin,
    ProxyAuthorization,
    ProxyConnection,
    SecWebSocketKey,
    SecWebSocketVersion,
    Server,
    SetCookie,
    Te,
    Trailer,
    TransferEncoding,
    TrueClientIp,
    Upgrade,
    UserAgent,
    Via,
    XClientIp,
    XForwardedFor,
    XForwardedHost,
    XForwardedPort,
    XForwardedPrefix,
    XForwardedProto,
    XOriginalForwardedFor,
    XRealIp,
    XRequestId,
}

/// Names by the length of their text: one comparison finds most of them, and none is tried twice.
fn of_length(length: usize) -> &'static [Name] {
    match length {
        2 => &[Name::Te],
        3 => &[Name::Via],
        4 => &[Name::Host, Name::Date],
        6 => &[Name::Accept, Name::Cookie, Name::Server, Name::Origin, Name::Expect],
        7 => &[Name::Upgrade, Name::Trailer],
        8 => &[Name::Location],
        9 => &[Name::Forwarded, Name::XRealIp],
        10 => &[Name::Connection, Name::UserAgent, Name::SetCookie, Name::KeepAlive],
        11 => &[Name::XClientIp],
        12 => &[Name::ContentType, Name::XRequestId],
        13 => &[Name::Authorization, Name::CacheControl],
        14 => &[Name::ContentLength, Name::Http2Settings, Name::TrueClientIp],
        15 => &[Name::XForwardedFor, Name::AcceptEncoding],
        16 => &[Name::XForwardedHost, Name::XForwardedPort, Name::ContentEncoding, Name::ProxyConnection],
        17 => &[Name::TransferEncoding, Name::XForwardedProto, Name::SecWebSocketKey],
        18 => &[Name::XForwardedPrefix],
        19 => &[Name::ProxyAuthorization],
        21 => &[Name::SecWebSocketVersion],
        24 => &[Name::XOriginalForwardedFor],
        _ => &[],
    }
}

impl Name {
    /// Field names are case-insensitive (RFC 9110, section 5.1).
    pub fn parse(text: &[u8]) -> Name {
        of_length(text.len())
            .iter()
            .copied()
            .find(|name| text.eq_ignore_ascii_case(name.as_str().as_bytes()))
            .unwrap_or_default()
    }

    /// The name in lower case; empty for [`Name::Other`].
    pub fn as_str(self) -> &'static str {
        match self {
            Name::Other => "",
            Name::Accept => "accept",
            Name::AcceptEncoding => "accept-encoding",
            Name::Authorization => "authorization",
            Name::CacheControl => "cache-control",
            Name::Connection => "connection",
            Name::ContentEncoding => "content-encoding",
            Name::ContentLength => "content-length",
            Name::ContentType => "content-type",
            Name::Cookie => "cookie",
            Name::Date => "date",
            Name::Expect => "expect",
            Name::Forwarded => "forwarded",
            Name::Host => "host",
            Name::Http2Settings => "http2-settings",
            Name::KeepAlive => "keep-alive",
            Name::Location => "location",
            Name::Origin => "origin",
            Name::ProxyAuthorization => "proxy-authorization",
            Name::ProxyConnection => "proxy-connection",
            Name::SecWebSocketKey => "sec-websocket-key",
            Name::SecWebSocketVersion => "sec-websocket-version",
            Name::Server => "server",
            Name::SetCookie => "set-cookie",
            Name::Te => "te",
            Name::Trailer => "trailer",
            Name::TransferEncoding => "transfer-encoding",
            Name::TrueClientIp => "true-client-ip",
            Name::Upgrade => "upgrade",
            Name::UserAgent => "user-agent",
            Name::Via => "via",
            Name::XClientIp => "x-client-ip",
            Name::XForwardedFor => "x-forwarded-for",
            Name::XForwardedHost => "x-forwarded-host",
            Name::XForwardedPort => "x-forwarded-port",
            Name::XForwardedPrefix => "x-forwarded-prefix",
            Name::XForwardedProto => "x-forwarded-proto",
            Name::XOriginalForwardedFor => "x-original-forwarded-for",
            Name::XRealIp => "x-real-ip",
            Name::XRequestId => "x-request-id",
        }
    }

    const fn bit(self) -> u64 {
        1 << (self as u8)
    }
}

/// A set of known names; [`Name::Other`] is never in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NameSet(u64);

impl NameSet {
    /// The set of these names.
    pub const fn of(names: &[Name]) -> NameSet {
        let (mut bits, mut rest) = (0, names);
        while let [name, tail @ ..] = rest {
            bits |= name.bit();
            rest = tail;
        }
        NameSet(bits & !Name::Other.bit())
    }

    /// Adds a name.
    pub fn insert(&mut self, name: Name) {
        self.0 |= name.bit() & !Name::Other.bit();
    }

    /// Whether the name is in the set.
    pub fn contains(self, name: Name) -> bool {
        self.0 & name.bit() != 0
    }

    /// Whether the two sets share a name.
    pub fn meets(self, other: NameSet) -> bool {
        self.0 & other.0 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every variant, because the discriminants are dense and the last one is known.
    fn all() -> impl Iterator<Item = Name> {
        (0..=64).flat_map(of_length).copied()
    }

    #[test]
    fn every_name_is_found_by_its_text_in_any_case() {
        for name in all() {
            assert_eq!(Name::parse(name.as_str().as_bytes()), name);
            assert_eq!(Name::parse(name.as_str().to_uppercase().as_bytes()), name);
        }
        assert_eq!(all().count(), Name::XRequestId as usize, "a variant stands in no length class");
    }

    #[test]
    fn strangers_are_other() {
        for text in ["", "x", "hosts", "content-lengths", "x_forwarded_for", "tee"] {
            assert_eq!(Name::parse(text.as_bytes()), Name::Other, "{text}");
        }
    }

    #[test]
    fn sets_never_hold_other() {
        let set = NameSet::of(&[Name::Other, Name::Te]);
        assert!(set.contains(Name::Te) && !set.contains(Name::Other) && !set.contains(Name::Host));
        assert!(set.meets(NameSet::of(&[Name::Te, Name::Via])) && !set.meets(NameSet::of(&[Name::Via])));
    }
}
