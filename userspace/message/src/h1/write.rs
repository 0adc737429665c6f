//! From a head to bytes. What the peer sent and nobody changed is copied in long runs.
use crate::{Framing, Method, Name, NameSet, Request, Response, Version};

/// Writes the head of a request for an upstream, in HTTP/1.1.
///
/// Fields of the connection must be stripped before; the ones this hop needs are added here.
pub fn write_request(request: &Request, out: &mut Vec<u8>) {
    if request.line.is_empty() {
        write_request_line(request, out);
    } else {
        out.extend_from_slice(request.line.of(&request.head.text));
    }
    if !request.head.may_have(NameSet::of(&[Name::Host])) {
        out.extend_from_slice(b"Host: ");
        out.extend_from_slice(request.authority());
        out.extend_from_slice(b"\r\n");
    }
    request.head.write(out);
    if request.framing == Framing::Chunked {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

fn write_request_line(request: &Request, out: &mut Vec<u8>) {
    out.extend_from_slice(request.method_text());
    out.push(b' ');
    out.extend_from_slice(request.path_up().as_bytes());
    if let Some(query) = request.query() {
        out.push(b'?');
        out.extend_from_slice(query);
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
}

/// What this hop says to the client beside the fields of the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// How the body will be delimited on this connection.
    pub framing: Framing,
    /// The version of the client.
    pub version: Version,
    /// Whether the connection lives on after this answer.
    pub persistent: bool,
}

impl Delivery {
    /// How an answer reaches a client of that version: HTTP/1.0 knows no chunks, so its connection ends the body.
    pub fn of(response: &Response, request: &Request, persistent: bool) -> Delivery {
        let framing = match response.framing {
            Framing::UntilClose | Framing::Chunked if request.version == Version::Http10 => {
                Framing::UntilClose
            }
            Framing::UntilClose if request.method != Method::Head => Framing::Chunked,
            framing => framing,
        };
        Delivery {
            framing,
            version: request.version,
            persistent: persistent && framing != Framing::UntilClose,
        }
    }
}

/// Writes the head of an answer for a client of HTTP/1. Always says HTTP/1.1 (RFC 9110, section 6.2).
pub fn write_response(response: &Response, delivery: Delivery, out: &mut Vec<u8>) {
    if response.line.is_empty() {
        write_status_line(response.status, out);
    } else {
        out.extend_from_slice(response.line.of(&response.head.text));
    }
    response.head.write(out);
    match delivery.framing {
        Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        // HTTP/2 ends an answer without a word about its length.
        Framing::Length(0) if response.head.known(Name::ContentLength).is_none() => {
            out.extend_from_slice(b"Content-Length: 0\r\n");
        }
        _ => {}
    }
    if response.status == 101 || response.is_interim() {
        out.extend_from_slice(b"\r\n");
        return;
    }
    match (delivery.persistent, delivery.version) {
        (true, Version::Http10) => out.extend_from_slice(b"Connection: keep-alive\r\n\r\n"),
        (true, _) => out.extend_from_slice(b"\r\n"),
        (false, _) => out.extend_from_slice(b"Connection: close\r\n\r\n"),
    }
}

fn write_status_line(status: u16, out: &mut Vec<u8>) {
    let digit = |value: u16| b'0' + u8::try_from(value % 10).unwrap_or(0);
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(&[digit(status / 100), digit(status / 10), digit(status), b' ']);
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// The registered phrase of a status; empty for one that has none.
pub fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default()
}
