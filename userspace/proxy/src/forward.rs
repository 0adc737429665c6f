//! What the upstream is told about where a request came from, and what an untrusted client may not claim.
use crate::client::{canonical, is_trusted};
use crate::digits::write_number;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use weir_message::{Error, Head, Name, NameSet, Request, Version};
use weir_plan::listener::Listener;
use weir_plan::tls::Bearer;

/// Fields that only a proxy may write.
const CLAIMS: NameSet = NameSet::of(&[
    Name::ClientCert,
    Name::ClientCertChain,
    Name::Forwarded,
    Name::TrueClientIp,
    Name::XClientIp,
    Name::XForwardedFor,
    Name::XForwardedHost,
    Name::XForwardedPort,
    Name::XForwardedPrefix,
    Name::XForwardedProto,
    Name::XOriginalForwardedFor,
    Name::XRealIp,
]);

/// How this proxy names itself in `Via`, behind the version in which it received a message.
const NAME: &[u8] = b" weir";

/// Rewrites the forwarding fields of a request: whatever an untrusted peer claims goes, the truth is added. `client` is who
/// asks, as far as trusted proxies have told.
pub(crate) fn rewrite(
    request: &mut Request,
    listener: &Listener,
    (peer, local): (SocketAddr, SocketAddr),
    client: IpAddr,
) {
    let (peer, scheme, version) = (canonical(peer.ip()), request.scheme.as_str(), request.version);
    let head = &mut request.head;
    if !is_trusted(peer, &listener.trusted_proxies) {
        head.remove_set(CLAIMS);
    }
    if listener.forwarded.x_forwarded {
        // A second line of the same name continues the list (RFC 9110, section 5.2).
        head.append_known(Name::XForwardedFor, "X-Forwarded-For", |out| write_address(peer, out));
        if head.known(Name::XForwardedProto).is_none() {
            head.append_known(Name::XForwardedProto, "X-Forwarded-Proto", |out| {
                out.extend_from_slice(scheme.as_bytes());
            });
        }
        if head.known(Name::XForwardedPort).is_none() {
            head.append_known(Name::XForwardedPort, "X-Forwarded-Port", |out| {
                write_number(local.port().into(), out);
            });
        }
        if head.known(Name::XForwardedHost).is_none() {
            head.append_copy(Name::XForwardedHost, "X-Forwarded-Host", Name::Host);
        }
        if head.known(Name::XRealIp).is_none() {
            head.append_known(Name::XRealIp, "X-Real-IP", |out| write_address(canonical(client), out));
        }
    }
    if listener.forwarded.rfc7239 {
        head.append_around((Name::Forwarded, "Forwarded"), Name::Host, |out, host| {
            write_element((peer, canonical(local.ip())), scheme, host, out);
        });
    }
    via(head, version);
}

/// Tells the upstream which part of the path it does not see. A second line continues what proxies before have taken off.
pub(crate) fn tell_prefix(head: &mut Head, prefix: &str) -> Result<(), Error> {
    head.append("X-Forwarded-Prefix", prefix.as_bytes())
}

/// RFC 9110, section 6.6.1: an answer without a date gets that of its arrival.
pub(crate) fn date(head: &mut Head, now: impl FnOnce() -> [u8; 29]) {
    if head.known(Name::Date).is_none() {
        head.append_known(Name::Date, "Date", |out| out.extend_from_slice(&now()));
    }
}

/// RFC 6797, section 7.1: one field, whatever the upstream says. What a policy makes of it later is the operator's wish as well.
pub(crate) fn secure(head: &mut Head, listener: &Listener) -> Result<(), Error> {
    match &listener.hsts {
        Some(value) => head.set("Strict-Transport-Security", value.as_bytes()),
        None => Ok(()),
    }
}

/// Tells the upstream which certificate the client has shown (RFC 9440), in place of whatever was said about it before.
pub(crate) fn present(head: &mut Head, bearer: &Bearer) {
    head.remove_set(NameSet::of(&[Name::ClientCert, Name::ClientCertChain]));
    if !bearer.certificate.is_empty() {
        head.append_known(Name::ClientCert, "Client-Cert", |out| out.extend_from_slice(&bearer.certificate));
    }
    if !bearer.chain.is_empty() {
        head.append_known(Name::ClientCertChain, "Client-Cert-Chain", |out| {
            out.extend_from_slice(&bearer.chain);
        });
    }
}

/// Adds this proxy to those that a message has passed, with the version in which it came (RFC 9110, section 7.6.3).
pub(crate) fn via(head: &mut Head, version: Version) {
    let version: &[u8] = match version {
        Version::Http10 => b"1.0",
        Version::Http11 => b"1.1",
        Version::Http2 => b"2",
    };
    head.append_known(Name::Via, "Via", |out| {
        out.extend_from_slice(version);
        out.extend_from_slice(NAME);
    });
}

/// How often a message has passed a proxy of this name. Proxies between may have made one field of several.
pub(crate) fn passes(head: &Head) -> usize {
    let members = head.every(Name::Via).flat_map(|value| value.split(|byte| *byte == b','));
    members.filter(|member| member.trim_ascii_end().ends_with(NAME)).count()
}

/// RFC 7239, section 4: a member of the list. The host lies in the text already.
fn write_element((peer, local): (IpAddr, IpAddr), scheme: &str, host: Range<usize>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"for=");
    write_node(peer, out);
    out.extend_from_slice(b";proto=");
    out.extend_from_slice(scheme.as_bytes());
    if !host.is_empty() {
        out.extend_from_slice(b";host=\"");
        out.extend_from_within(host);
        out.push(b'"');
    }
    out.extend_from_slice(b";by=");
    write_node(local, out);
}

/// Section 6: an address of IPv6 stands in brackets, and those in quotes.
fn write_node(address: IpAddr, out: &mut Vec<u8>) {
    let (before, after): (&[u8], &[u8]) = if address.is_ipv6() { (b"\"[", b"]\"") } else { (b"", b"") };
    out.extend_from_slice(before);
    write_address(address, out);
    out.extend_from_slice(after);
}

fn write_address(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => {
            let [first, rest @ ..] = address.octets();
            write_number(first.into(), out);
            for octet in rest {
                out.push(b'.');
                write_number(octet.into(), out);
            }
        }
        // Writing to a vector cannot fail.
        IpAddr::V6(address) => drop(write!(out, "{address}")),
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
            hsts: None,
            paths: weir_message::uri::Rules::default(),
            joins_traces: true,
            trace_formats: Default::default(),
            aborts_on_half_close: false,
            proxy_status: false,
            pages: weir_plan::page::Pages::default(),
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
        let peer: SocketAddr = peer.parse().unwrap();
        let client = crate::client::resolve(peer.ip(), &request.head, &listener.trusted_proxies);
        rewrite(&mut request, listener, (peer, "127.0.0.1:8080".parse().unwrap()), client);
        let mut out = Vec::new();
        request.head.write(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expect.replace('\n', "\r\n"));
    }

    #[test]
    fn b8_b22_untrusted_claims_go_and_the_truth_is_added() {
        let both = Forwarded { x_forwarded: true, rfc7239: true };
        let claims = [
            ("X-Forwarded-For", "10.0.0.1"),
            ("Forwarded", "for=10.0.0.1"),
            ("True-Client-IP", "1.1.1.1"),
            ("X-Real-IP", "1.1.1.1"),
            ("X-Forwarded-Prefix", "/evil"),
        ];
        check(
            &listener(&[], both),
            "192.0.2.7:1000",
            &claims,
            "Host: a.example\nX-Forwarded-For: 192.0.2.7\nX-Forwarded-Proto: http\nX-Forwarded-Port: 8080\n\
             X-Forwarded-Host: a.example\nX-Real-IP: 192.0.2.7\nForwarded: for=192.0.2.7;proto=http;host=\"a.example\";by=127.0.0.1\nVia: 1.1 weir\n",
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
             X-Forwarded-For: 192.0.2.7\nX-Forwarded-Port: 8080\nX-Forwarded-Host: a.example\n\
             X-Real-IP: 203.0.113.9\nVia: 1.1 weir\n",
        );
        check(
            &listener(&["192.0.2.0/24"], x),
            "192.0.2.7:1000",
            &[("X-Real-IP", "203.0.113.8"), ("X-Forwarded-Host", "b"), ("X-Forwarded-Port", "1")],
            "Host: a.example\nX-Real-IP: 203.0.113.8\nX-Forwarded-Host: b\nX-Forwarded-Port: 1\n\
             X-Forwarded-For: 192.0.2.7\nX-Forwarded-Proto: http\nVia: 1.1 weir\n",
        );
    }

    #[test]
    fn b24_a_message_says_in_which_version_it_came_and_how_often_it_passed() {
        let mut head = Head::default();
        for version in [Version::Http10, Version::Http11, Version::Http2] {
            via(&mut head, version);
        }
        head.append("Via", b"1.1 other, 2 weir , 1.1 weirdo,1.1 weir").unwrap();
        assert_eq!(
            head.every(Name::Via).collect::<Vec<_>>()[..3],
            [&b"1.0 weir"[..], b"1.1 weir", b"2 weir"]
        );
        assert_eq!(passes(&head), 5);
    }

    #[test]
    fn nothing_is_added_that_is_off() {
        let off = Forwarded { x_forwarded: false, rfc7239: false };
        check(&listener(&[], off), "[2001:db8::1]:1", &[], "Host: a.example\nVia: 1.1 weir\n");
        let rfc = Forwarded { x_forwarded: false, rfc7239: true };
        let element = "Host: a.example\nForwarded: for=\"[2001:db8::1]\";proto=http;host=\"a.example\";by=127.0.0.1\nVia: 1.1 weir\n";
        check(&listener(&[], rfc), "[2001:db8::1]:1", &[], element);
    }
}
