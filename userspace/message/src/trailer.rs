//! Trailer sections: read as strictly as heads, and passed on only by name.
use crate::{Error, Head, Name, head::Line, span::Span};

/// Fields that may follow a body (RFC 9110, section 6.5.1): those that describe it, and the status of gRPC.
/// Everything else is dropped, so that no trailer can pass for framing, routing or identity.
const ALLOWED: [&str; 9] = [
    "grpc-status",
    "grpc-message",
    "grpc-status-details-bin",
    "content-digest",
    "repr-digest",
    "digest",
    "content-md5",
    "server-timing",
    "etag",
];

/// Whether a trailer of that name is passed on.
pub fn is_allowed(name: &[u8]) -> bool {
    Name::parse(name) == Name::Other
        && ALLOWED.iter().any(|allowed| name.eq_ignore_ascii_case(allowed.as_bytes()))
}

/// Whether a trailer of a message of gRPC is passed on: there applications name trailers as they like, so only what has
/// a meaning for the proxy is dropped.
pub fn is_allowed_in_grpc(name: &[u8]) -> bool {
    Name::parse(name) == Name::Other
}

/// Reads a whole trailer section, with its final empty line, and keeps the allowed fields.
pub fn parse(section: &[u8], head: &mut Head) -> Result<(), Error> {
    head.clear();
    let mut lines = [httparse::EMPTY_HEADER; 64];
    let Ok(httparse::Status::Complete((used, fields))) = httparse::parse_headers(section, &mut lines) else {
        return Err(Error::Trailer);
    };
    if used != section.len() || has_bare_end(section) {
        return Err(Error::Trailer);
    }
    head.text.extend_from_slice(section);
    for field in fields.iter().filter(|field| is_allowed(field.name.as_bytes())) {
        let name = Span::within(section, field.name.as_bytes());
        head.push(Line {
            id: Name::Other,
            name,
            value: Span::within(section, field.value),
            ..Line::default()
        });
    }
    Ok(())
}

/// RFC 9112, section 2.2: an LF without its CR.
fn has_bare_end(section: &[u8]) -> bool {
    let mut before = 0;
    section.iter().any(|&byte| {
        let bare = byte == b'\n' && before != b'\r';
        before = byte;
        bare
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(section: &str, expect: Result<&str, Error>) {
        let mut head = Head::default();
        let found = parse(section.as_bytes(), &mut head).map(|()| {
            let mut out = Vec::new();
            head.write(&mut out);
            String::from_utf8(out).unwrap()
        });
        assert_eq!(found, expect.map(str::to_owned), "{section:?}");
    }

    #[test]
    fn a22_only_allowed_trailers_pass() {
        check("\r\n", Ok(""));
        check("Grpc-Status: 0\r\nX: 1\r\n\r\n", Ok("Grpc-Status: 0\r\n"));
        check(
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\nHost: x\r\nAuthorization: y\r\n\r\n",
            Ok(""),
        );
    }

    #[test]
    fn a10_a12_trailers_are_read_as_strictly_as_heads() {
        for section in [
            "a: b\n\r\n",
            "a: b\r\n\n",
            "a : b\r\n\r\n",
            " a: b\r\n\r\n",
            "a: b\r\n c\r\n\r\n",
            "a: \0\r\n\r\n",
            "a\r\n\r\n",
        ] {
            check(section, Err(Error::Trailer));
        }
    }
}
