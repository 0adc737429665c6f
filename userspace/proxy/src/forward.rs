//! What the upstream is told about where a request came from, and what an untrusted client may not claim.
use crate::client::{canonical, is_trusted};
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use weir_message::{Error, Head, Name, NameSet, Request};
use weir_plan::listener::Listener;

/// Fields that only a proxy may write.
const CLAIMS: NameSet = NameSet::of(&[
    Name::Forwarded,
    Name::XForwardedFor,
    Name::XForwardedHost,
    Name::XForwardedPort,
    Name::XForwardedPrefix,
    Name::XForwardedProto,
    Name::XRealIp,
]);

/// Names that some applications believe as if a proxy had written them.
const MORE_CLAIMS: [&str; 3] = ["true-client-ip", "x-client-ip", "x-original-forwarded-for"];

/// How this proxy names itself (RFC 9110, section 7.6.3).
pub(crate) const VIA: &[u8] = b"1.1 weir";

/// Rewrites the forwarding fields of a request: whatever an untrusted peer claims goes, the truth is added.
pub(crate) fn rewrite(
    request: &mut Request,
    listener: &Listener,
    peer: SocketAddr,
    local: SocketAddr,
) -> Result<(), Error> {
    let peer = canonical(peer.ip());
    let trusted = is_trusted(peer, &listener.trusted_proxies);
    if !trusted {
        request.head.remove_set(CLAIMS);
        for name in MORE_CLAIMS {
            request.head.remove(name);
        }
    }
    if listener.forwarded.x_forwarded {
        extended(&mut request.head, Name::XForwardedFor, b"X-Forwarded-For", text(peer).as_bytes())?;
        once(
            &mut request.head,
            Name::XForwardedProto,
            b"X-Forwarded-Proto",
            request.scheme.as_str().as_bytes(),
        )?;
        once(&mut request.head, Name::XForwardedPort, b"X-Forwarded-Port", number(local.port()).as_bytes())?;
        let host = request.head.known(Name::Host).and_then(Text::of);
        if let Some(host) = host {
            once(&mut request.head, Name::XForwardedHost, b"X-Forwarded-Host", host.as_bytes())?;
        }
    }
    if listener.forwarded.rfc7239 {
        let mut element = Text::default();
        let quoted = match peer {
            IpAddr::V4(address) => write!(element, "for={address}"),
            IpAddr::V6(address) => write!(element, "for=\"[{address}]\""),
        };
        quoted
            .and_then(|()| write!(element, ";proto={}", request.scheme.as_str()))
            .map_err(|_| Error::Unwritable)?;
        extended(&mut request.head, Name::Forwarded, b"Forwarded", element.as_bytes())?;
    }
    extended(&mut request.head, Name::Via, b"Via", VIA)
}

/// Adds a member to a list that may exist, over however many lines.
pub(crate) fn extended(head: &mut Head, id: Name, name: &[u8], member: &[u8]) -> Result<(), Error> {
    // A second line of the same name continues the list (RFC 9110, section 5.2).
    debug_assert_eq!(Name::parse(name), id);
    head.append_parts(name, &[member])
}

/// Adds a field unless a trusted proxy wrote it.
fn once(head: &mut Head, id: Name, name: &[u8], value: &[u8]) -> Result<(), Error> {
    if head.known(id).is_some() { Ok(()) } else { head.append_parts(name, &[value]) }
}

fn text(address: IpAddr) -> Text {
    let mut text = Text::default();
    // An address has at most 45 characters, so it fits.
    let written = write!(text, "{address}");
    debug_assert!(written.is_ok());
    text
}

fn number(number: u16) -> Text {
    let mut text = Text::default();
    let written = write!(text, "{number}");
    debug_assert!(written.is_ok());
    text
}

/// A short text on the stack.
#[derive(Clone, Copy)]
pub(crate) struct Text {
    bytes: [u8; 280],
    len: usize,
}

impl Default for Text {
    fn default() -> Text {
        Text { bytes: [0; 280], len: 0 }
    }
}

impl Text {
    /// A copy; none if it does not fit.
    fn of(source: &[u8]) -> Option<Text> {
        let mut text = Text::default();
        text.bytes.get_mut(..source.len())?.copy_from_slice(source);
        text.len = source.len();
        Some(text)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Write for Text {
    fn write_str(&mut self, more: &str) -> std::fmt::Result {
        let end = self.len + more.len();
        let place = self.bytes.get_mut(self.len..end).ok_or(std::fmt::Error)?;
        place.copy_from_slice(more.as_bytes());
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;
    use weir_plan::limit::ExchangeLimits;
    use weir_plan::listener::{Forwarded, Protocols, Service};

    fn listener(trusted: &[&str], forwarded: Forwarded) -> Listener {
        Listener {
            id: Default::default(),
            name: Arc::from("edge"),
            binds: Vec::new(),
            proxy_protocol: None,
            tls: None,
            trusted_proxies: trusted.iter().map(|net| net.parse().unwrap()).collect(),
            forwarded,
            limits: ExchangeLimits {
                header_bytes_max: 0,
                headers_max: 0,
                header_timeout: Duration::ZERO,
                idle_timeout: Duration::ZERO,
                body_bytes_max: None,
                body_bytes_per_second_min: 0,
                requests_max: 0,
                streams_max: 0,
            },
            service: Service::Http(Protocols { http1: true, http2: false }),
        }
    }

    fn check(listener: &Listener, peer: &str, lines: &[(&str, &str)], expect: &str) {
        let mut request = Request::default();
        request.head.append("Host", b"a.example").unwrap();
        for (name, value) in lines {
            request.head.append(name, value.as_bytes()).unwrap();
        }
        rewrite(&mut request, listener, peer.parse().unwrap(), "127.0.0.1:8080".parse().unwrap()).unwrap();
        let mut out = Vec::new();
        request.head.write(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expect.replace('\n', "\r\n"));
    }

    #[test]
    fn b8_b22_untrusted_claims_go_and_the_truth_is_added() {
        let both = Forwarded { x_forwarded: true, rfc7239: true };
        let claims =
            [("X-Forwarded-For", "10.0.0.1"), ("Forwarded", "for=10.0.0.1"), ("True-Client-IP", "1.1.1.1")];
        check(
            &listener(&[], both),
            "192.0.2.7:1000",
            &claims,
            "Host: a.example\nX-Forwarded-For: 192.0.2.7\nX-Forwarded-Proto: http\nX-Forwarded-Port: 8080\n\
             X-Forwarded-Host: a.example\nForwarded: for=192.0.2.7;proto=http\nVia: 1.1 weir\n",
        );
    }

    #[test]
    fn b22_claims_of_trusted_proxies_are_continued() {
        let x = Forwarded { x_forwarded: true, rfc7239: false };
        check(
            &listener(&["192.0.2.0/24"], x),
            "[::ffff:192.0.2.7]:1000",
            &[("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https"), ("Via", "1.1 cdn")],
            "Host: a.example\nX-Forwarded-For: 203.0.113.9\nX-Forwarded-Proto: https\nVia: 1.1 cdn\n\
             X-Forwarded-For: 192.0.2.7\nX-Forwarded-Port: 8080\nX-Forwarded-Host: a.example\nVia: 1.1 weir\n",
        );
    }

    #[test]
    fn nothing_is_added_that_is_off() {
        let off = Forwarded { x_forwarded: false, rfc7239: false };
        check(&listener(&[], off), "[2001:db8::1]:1", &[], "Host: a.example\nVia: 1.1 weir\n");
        let rfc = Forwarded { x_forwarded: false, rfc7239: true };
        let element = "Host: a.example\nForwarded: for=\"[2001:db8::1]\";proto=http\nVia: 1.1 weir\n";
        check(&listener(&[], rfc), "[2001:db8::1]:1", &[], element);
    }
}
