//! The fields that belong to one connection and never cross the proxy (RFC 9110, section 7.6.1).
//!
//! This is the only place that names them.
use crate::{Error, Head, Name, NameSet};

const HOP: NameSet = NameSet::of(&[
    Name::Connection,
    Name::KeepAlive,
    Name::ProxyConnection,
    Name::ProxyAuthorization,
    Name::Te,
    Name::TransferEncoding,
    Name::Upgrade,
    Name::Http2Settings,
]);

/// What RFC 9113, section 8.2.2, calls connection-specific.
const CONNECTION: NameSet = NameSet::of(&[
    Name::Connection,
    Name::KeepAlive,
    Name::ProxyConnection,
    Name::TransferEncoding,
    Name::Upgrade,
    Name::Te,
]);

/// What `Connection` may not take away: removing these would change who is asked, who asks, or where a body ends.
const PROTECTED: NameSet = NameSet::of(&[
    Name::Authorization,
    Name::ClientCert,
    Name::ClientCertChain,
    Name::ContentLength,
    Name::ContentType,
    Name::Cookie,
    Name::Forwarded,
    Name::Host,
    Name::Origin,
    Name::SetCookie,
    Name::Via,
    Name::XForwardedFor,
    Name::XForwardedHost,
    Name::XForwardedPort,
    Name::XForwardedPrefix,
    Name::XForwardedProto,
    Name::XRealIp,
    Name::XRequestId,
]);

/// The fields that HTTP/2 and later forbid; a message that carries one is malformed (RFC 9113, section 8.2.2).
/// `te` is allowed with the value `trailers` only.
pub fn forbidden_in_h2(head: &Head) -> bool {
    head.may_have(CONNECTION)
        && head.iter().any(|field| match field.id {
            Name::Te => field.value != b"trailers",
            id => CONNECTION.contains(id),
        })
}

/// Whether a field that HTTP/1 needs must stay out of a message of HTTP/2.
pub fn stays_in_h1(name: Name) -> bool {
    CONNECTION.contains(name)
}

/// Writes the two fields that offer, or agree to, a change to WebSocket (RFC 6455, section 4).
///
/// # Errors
/// As for [`Head::append`]: the head is full.
pub fn announce_websocket(head: &mut Head) -> Result<(), Error> {
    head.append("Connection", b"Upgrade")?;
    head.append("Upgrade", b"websocket")
}

/// Removes the fields of the connection, and those that `Connection` lists, from a received head.
pub fn strip(head: &mut Head) {
    if !head.may_have(HOP) {
        return;
    }
    if head.may_have(NameSet::of(&[Name::Connection])) {
        strip_listed(head);
    }
    head.remove_set(HOP);
}

fn strip_listed(head: &mut Head) {
    let odd = |token: &[u8]| !token.eq_ignore_ascii_case(b"close") && !HOP.contains(Name::parse(token));
    if !tokens(head, Name::Connection).any(odd) {
        return;
    }
    // The list is copied out because the head is changed meanwhile; only unusual peers name anything here.
    let listed: Vec<Vec<u8>> =
        tokens(head, Name::Connection).filter(|token| odd(token)).map(<[u8]>::to_vec).collect();
    head.remove_where(|field| {
        !PROTECTED.contains(field.id) && listed.iter().any(|token| token.eq_ignore_ascii_case(field.name))
    });
}

/// The members of a comma-separated field, over all its lines, without white space and without empty ones.
pub fn tokens(head: &Head, name: Name) -> impl Iterator<Item = &[u8]> {
    head.every(name)
        .flat_map(|value| value.split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.is_empty())
}

/// Whether `Connection` lists the option, in any case.
pub fn connection_has(head: &Head, option: &str) -> bool {
    tokens(head, Name::Connection).any(|token| token.eq_ignore_ascii_case(option.as_bytes()))
}

/// Whether the sender accepts trailers (RFC 9110, section 10.1.4).
pub fn accepts_trailers(head: &Head) -> bool {
    tokens(head, Name::Te).any(|token| token.eq_ignore_ascii_case(b"trailers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[(&str, &str)], left: &[&str]) {
        let mut head = Head::default();
        for (name, value) in lines {
            head.append(name, value.as_bytes()).unwrap();
        }
        strip(&mut head);
        let names: Vec<_> =
            head.iter().map(|field| String::from_utf8_lossy(field.name).into_owned()).collect();
        assert_eq!(names, left, "{lines:?}");
    }

    #[test]
    fn b25_fields_of_the_connection_stay_here() {
        check(
            &[
                ("Connection", "keep-alive"),
                ("Keep-Alive", "5"),
                ("TE", "trailers"),
                ("Upgrade", "h2c"),
                ("A", "1"),
            ],
            &["A"],
        );
        check(
            &[("Transfer-Encoding", "chunked"), ("HTTP2-Settings", "x"), ("Proxy-Connection", "close")],
            &[],
        );
        check(&[("Host", "a"), ("A", "1")], &["Host", "A"]);
    }

    #[test]
    fn b9_connection_removes_what_it_lists() {
        check(&[("Connection", "close, X-Hop"), ("X-Hop", "1"), ("A", "1")], &["A"]);
        check(&[("Connection", "x-a"), ("Connection", "X-B"), ("X-A", "1"), ("X-B", "2")], &[]);
    }

    #[test]
    fn b9_connection_cannot_remove_identity_or_framing() {
        for name in
            ["Host", "Authorization", "Cookie", "X-Forwarded-For", "Content-Length", "Via", "X-Request-Id"]
        {
            check(&[("Connection", name), (name, "1")], &[name]);
        }
    }

    #[test]
    fn b31_connection_fields_are_malformed_in_h2() {
        let mut head = Head::default();
        head.append("te", b"trailers").unwrap();
        assert!(!forbidden_in_h2(&head));
        head.append("connection", b"close").unwrap();
        assert!(forbidden_in_h2(&head));
        let mut head = Head::default();
        head.append("te", b"gzip").unwrap();
        assert!(forbidden_in_h2(&head));
    }
}
