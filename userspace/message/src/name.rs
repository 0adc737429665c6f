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
    ClientCert,
    ClientCertChain,
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
    Traceparent,
    Tracestate,
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
const fn of_length(length: usize) -> &'static [Name] {
    match length {
        2 => &[Name::Te],
        3 => &[Name::Via],
        4 => &[Name::Host, Name::Date],
        6 => &[Name::Accept, Name::Cookie, Name::Server, Name::Origin, Name::Expect],
        7 => &[Name::Upgrade, Name::Trailer],
        8 => &[Name::Location],
        9 => &[Name::Forwarded, Name::XRealIp],
        10 => &[Name::Connection, Name::UserAgent, Name::SetCookie, Name::KeepAlive, Name::Tracestate],
        11 => &[Name::XClientIp, Name::ClientCert, Name::Traceparent],
        12 => &[Name::ContentType, Name::XRequestId],
        13 => &[Name::Authorization, Name::CacheControl],
        14 => &[Name::ContentLength, Name::Http2Settings, Name::TrueClientIp],
        15 => &[Name::XForwardedFor, Name::AcceptEncoding],
        16 => &[Name::XForwardedHost, Name::XForwardedPort, Name::ContentEncoding, Name::ProxyConnection],
        17 => &[Name::TransferEncoding, Name::XForwardedProto, Name::SecWebSocketKey, Name::ClientCertChain],
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
        let names = of_length(text.len());
        if names.is_empty() {
            return Name::Other;
        }
        let words = words(text);
        let is_it = |name: &Name| SHAPES.get(*name as usize).is_some_and(|shape| shape.fits(words));
        names.iter().copied().find(is_it).unwrap_or_default()
    }

    /// The name in lower case; empty for [`Name::Other`].
    pub const fn as_str(self) -> &'static str {
        match self {
            Name::Other => "",
            Name::Accept => "accept",
            Name::AcceptEncoding => "accept-encoding",
            Name::Authorization => "authorization",
            Name::CacheControl => "cache-control",
            Name::ClientCert => "client-cert",
            Name::ClientCertChain => "client-cert-chain",
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
            Name::Traceparent => "traceparent",
            Name::Tracestate => "tracestate",
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

/// The first eight bytes of a text, the eight behind them if it goes on for as long, and the last eight. Together they are
/// the text, if it is no longer than three words. A text shorter than a word is padded with zeroes.
type Words = [u64; 3];

/// A known name as words, and the bits of them in which its letters may differ, so that comparing it takes one step for
/// eight bytes.
#[derive(Clone, Copy)]
struct Shape {
    lower: Words,
    case: Words,
}

impl Shape {
    const fn of(text: &[u8]) -> Shape {
        let lower = words(text);
        let [first, middle, last] = lower;
        Shape { lower, case: [case(first), case(middle), case(last)] }
    }

    fn fits(&self, words: Words) -> bool {
        let same = |(word, (lower, case)): (&u64, (&u64, &u64))| (word ^ lower) & !case == 0;
        words.iter().zip(self.lower.iter().zip(&self.case)).all(same)
    }
}

/// The bit of the case in every byte that is a small letter.
const fn case(word: u64) -> u64 {
    let (mut bits, mut at) = (0, 0);
    while at < 64 {
        if matches!((word >> at) & 0xff, 0x61..=0x7a) {
            bits |= 0x20 << at;
        }
        at += 8;
    }
    bits
}

const fn words(text: &[u8]) -> Words {
    let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) else {
        return [short_word(text), 0, 0];
    };
    let middle = match text {
        [_, _, _, _, _, _, _, _, rest @ ..] if text.len() > 16 => rest.first_chunk::<8>(),
        _ => None,
    };
    let middle = match middle {
        Some(middle) => u64::from_le_bytes(*middle),
        None => 0,
    };
    [u64::from_le_bytes(*first), middle, u64::from_le_bytes(*last)]
}

const fn short_word(text: &[u8]) -> u64 {
    let (mut word, mut rest) = (0, text);
    while let [front @ .., byte] = rest {
        word = word << 8 | *byte as u64;
        rest = front;
    }
    word
}

/// The shape of each name, by its number.
static SHAPES: [Shape; NAMES] = {
    let mut shapes = [Shape::of(b""); NAMES];
    let mut length = 0;
    while length <= 24 {
        let mut names = of_length(length);
        while let [name, tail @ ..] = names {
            #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
            {
                shapes[*name as usize] = Shape::of(name.as_str().as_bytes());
            }
            names = tail;
        }
        length += 1;
    }
    shapes
};

const NAMES: usize = Name::XRequestId as usize + 1;

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
        let odd = ["x\rforwarded-for", "host\0", "@ost", "x-forwarded-for\0", "x\u{11}request-id"];
        for text in ["", "x", "hosts", "content-lengths", "x_forwarded_for", "tee"].into_iter().chain(odd) {
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
