//! From a request to a header block (RFC 9113, section 8.3.1).
use super::hpack::{field, indexed, named};
use crate::{Head, Method, Name, Request, Scheme, hop};

/// Numbers of pseudo-fields in the static table (RFC 7541, appendix A): names, and those with a value.
const AUTHORITY: usize = 1;
const METHOD: usize = 2;
const METHOD_GET: usize = 2;
const METHOD_POST: usize = 3;
const PATH: usize = 4;
const PATH_ROOT: usize = 4;
const SCHEME_HTTP: usize = 6;
const SCHEME_HTTPS: usize = 7;

/// Writes the head of a request for an upstream. Fields of the connection must be stripped before.
pub fn write_request(request: &Request, out: &mut Vec<u8>) {
    match request.method {
        Method::Get => indexed(METHOD_GET, out),
        Method::Post => indexed(METHOD_POST, out),
        _ => named(METHOD, &[request.method_text()], out),
    }
    target(request, out);
    fields(&request.head, |_| true, out);
    if request.accepts_trailers {
        field((Name::Te, b"te"), b"trailers", out);
    }
}

/// Writes the head of a request that is to become a WebSocket (RFC 8441, section 5), which knows no key.
pub fn write_connect(request: &Request, out: &mut Vec<u8>) {
    named(METHOD, &[b"CONNECT"], out);
    field((Name::Other, b":protocol"), b"websocket", out);
    target(request, out);
    fields(&request.head, |name| name != Name::SecWebSocketKey, out);
}

/// Writes the fields behind a body.
pub fn write_trailers(trailers: &Head, out: &mut Vec<u8>) {
    fields(trailers, |_| true, out);
}

/// Scheme, authority and path.
fn target(request: &Request, out: &mut Vec<u8>) {
    match request.scheme {
        Scheme::Http => indexed(SCHEME_HTTP, out),
        Scheme::Https => indexed(SCHEME_HTTPS, out),
    }
    if !request.authority().is_empty() {
        named(AUTHORITY, &[request.authority()], out);
    }
    match (request.path_up(), request.query()) {
        ("/", None) => indexed(PATH_ROOT, out),
        (path, None) => named(PATH, &[path.as_bytes()], out),
        (path, Some(query)) => named(PATH, &[path.as_bytes(), b"?", query], out),
    }
}

fn fields(head: &Head, is_wanted: impl Fn(Name) -> bool, out: &mut Vec<u8>) {
    let stays = |name: Name| name == Name::Host || hop::stays_in_h1(name);
    for line in head.iter().filter(|field| is_wanted(field.id) && !stays(field.id)) {
        field((line.id, line.name), line.value, out);
    }
}

#[cfg(test)]
mod tests {
    use super::super::hpack::Decoder;
    use super::*;
    use crate::uri;

    fn check(request: &Request, expect: &[&str]) {
        check_written(|out| write_request(request, out), expect);
    }

    fn check_written(write: impl FnOnce(&mut Vec<u8>), expect: &[&str]) {
        let (mut block, mut found) = (Vec::new(), Vec::new());
        write(&mut block);
        let read = Decoder::new(0).decode(&block, |name, value| {
            found.push(format!("{} {}", String::from_utf8_lossy(name), String::from_utf8_lossy(value)));
        });
        assert_eq!(read, Ok(()));
        assert_eq!(found, expect);
    }

    fn request(method: &[u8], target: &[u8], fields: &[(&str, &str)]) -> Request {
        let mut request = Request::default();
        request.begin(Scheme::Https, method, b"a.example", target);
        for (name, value) in fields {
            request.head.append(name, value.as_bytes()).unwrap();
        }
        request.settle(uri::Rules::default()).unwrap();
        request
    }

    #[test]
    fn pseudo_fields_come_first_and_fields_of_the_connection_not_at_all() {
        let fields = [("Host", "a.example"), ("X-A", "1"), ("TE", "trailers"), ("Upgrade", "x")];
        check(
            &request(b"GET", b"/", &fields),
            &[":method GET", ":scheme https", ":authority a.example", ":path /", "x-a 1", "te trailers"],
        );
        check(
            &request(b"PURGE", b"/x/../y?z=%20", &[("Content-Length", "0")]),
            &[":method PURGE", ":scheme https", ":authority a.example", ":path /y?z=%20", "content-length 0"],
        );
        check(
            &request(b"OPTIONS", b"*", &[]),
            &[":method OPTIONS", ":scheme https", ":authority a.example", ":path *"],
        );
    }

    #[test]
    fn a_websocket_is_asked_for_without_a_key() {
        let fields = [("Sec-WebSocket-Key", "x"), ("Sec-WebSocket-Version", "13"), ("Upgrade", "websocket")];
        let request = request(b"GET", b"/chat", &fields);
        check_written(
            |out| write_connect(&request, out),
            &[
                ":method CONNECT",
                ":protocol websocket",
                ":scheme https",
                ":authority a.example",
                ":path /chat",
                "sec-websocket-version 13",
            ],
        );
    }
}
