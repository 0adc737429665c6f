//! Heads of the table of attacks, the bytes that are forwarded, and agreement with httparse.
use super::*;
use crate::{Error, Framing, Limits, Method, Request, Response, hop};
use proptest::prelude::*;

fn parse(text: &[u8]) -> Result<Option<usize>, Error> {
    Parser::default().request(text, &Rules::default(), &mut Request::default())
}

fn refuses(text: &str, error: Error) {
    assert_eq!(parse(text.as_bytes()), Err(error), "{text:?}");
}

/// A valid request with these lines after `Host`.
fn with(lines: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

fn forwarded(text: &str) -> String {
    let (mut request, mut out) = (Request::default(), Vec::new());
    let used = Parser::default().request(text.as_bytes(), &Rules::default(), &mut request).unwrap();
    assert_eq!(used, Some(text.len()));
    hop::strip(&mut request.head);
    write_request(&request, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn plain_heads_are_forwarded_as_they_came() {
    for text in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /a?b=c HTTP/1.1\r\nHost: a:81\r\nContent-Length: 5\r\nX-A:  spaced \r\nX-B:\r\nx-c: d\r\n\r\n",
    ] {
        assert_eq!(forwarded(text), text.replace("X-A:  spaced ", "X-A: spaced").replace("X-B:", "X-B: "));
    }
}

#[test]
fn what_is_not_plain_is_written_anew() {
    assert_eq!(
        forwarded(
            "GET http://a/x/../y HTTP/1.1\r\nHost: A\r\nConnection: close, x-h\r\nX-H: 1\r\nX: 2\r\n\r\n"
        ),
        "GET /y HTTP/1.1\r\nHost: A\r\nX: 2\r\n\r\n"
    );
    assert_eq!(forwarded("GET / HTTP/1.0\r\nHost: a\r\n\r\n"), "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(
        forwarded(&with("Transfer-Encoding:  CHUNKED\r\n")),
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    assert_eq!(forwarded(&with("Content-Length: 007\r\n")), with("Content-Length: 7\r\n"));
}

#[test]
fn one_empty_line_may_come_first() {
    assert_eq!(parse(b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nX"), Ok(Some(29)));
    refuses("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Error::RequestLine);
    refuses("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Error::RequestLine);
}

#[test]
fn a10_bare_line_ends_are_refused() {
    refuses("GET / HTTP/1.1\nHost: a\n\n", Error::LineEnd);
    refuses("GET / HTTP/1.1\r\nHost: a\n\r\n", Error::LineEnd);
    refuses("GET / HTTP/1.1\r\nHost: a\r\nX: y\nZ: 1\r\n\r\n", Error::LineEnd);
    refuses("GET / HTTP/1.1\nHost: a\r\n\r\n", Error::LineEnd);
    refuses("GET / HTTP/1.1\r\nHost: a\r\n\n", Error::LineEnd);
    for text in [with("X: a\rb\r\n"), with("X: a\r\r\n"), with("X: a\r\n\r")] {
        assert!(parse(text.as_bytes()).is_err(), "{text:?}");
    }
}

#[test]
fn a11_folded_lines_are_refused() {
    refuses(&with("X: a\r\n b\r\n"), Error::FieldName);
    refuses(&with("Transfer-Encoding:\r\n chunked\r\n"), Error::FieldName);
}

#[test]
fn a12_space_around_names_is_refused() {
    refuses(&with("Content-Length : 5\r\n"), Error::FieldName);
    refuses("GET / HTTP/1.1\r\n Content-Length: 5\r\nHost: a\r\n\r\n", Error::FieldName);
}

#[test]
fn a13_names_are_tokens() {
    for line in ["X@Y: 1", "X Y: 1", "XY", "X\u{e9}: 1", ": 1", "X(: 1", "X\0: 1"] {
        refuses(&with(&format!("{line}\r\n")), Error::FieldName);
    }
}

#[test]
fn a14_values_have_no_control_bytes() {
    for value in ["a\0b", "\u{1}", "a\u{b}b", "chunked\u{c}", "\u{7f}"] {
        refuses(&with(&format!("X: {value}\r\n")), Error::FieldValue);
    }
}

#[test]
fn a3_obfuscated_transfer_encodings_never_pass() {
    for value in
        ["\u{b}chunked", "chunked\u{c}", "chunked\0", "\tchunked, chunked", "chunked\r\nTransfer-Encoding: x"]
    {
        assert!(parse(with(&format!("Transfer-Encoding: {value}\r\n")).as_bytes()).is_err(), "{value:?}");
    }
    // White space around a value is no part of it.
    let mut request = Request::default();
    let text = with("Transfer-Encoding: \tchunked \t\r\n");
    Parser::default().request(text.as_bytes(), &Rules::default(), &mut request).unwrap();
    assert_eq!(request.framing, Framing::Chunked);
}

#[test]
fn request_lines_have_three_parts() {
    for line in [
        "GET /",
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET /a b HTTP/1.1",
        "G@T / HTTP/1.1",
        "GET\t/ HTTP/1.1",
        " GET / HTTP/1.1",
        "GET / http/1.1",
        "/ HTTP/1.1",
    ] {
        assert!(parse(format!("{line}\r\nHost: a\r\n\r\n").as_bytes()).is_err(), "{line:?}");
    }
    for version in ["HTTP/2.0", "HTTP/1.2", "HTTP/0.9"] {
        refuses(&format!("GET / {version}\r\nHost: a\r\n\r\n"), Error::Version);
    }
}

#[test]
fn b7_fields_with_underscores_are_dropped() {
    assert_eq!(forwarded(&with("X_Forwarded_For: 1\r\nContent_Length: 9\r\nX-A: 1\r\n")), with("X-A: 1\r\n"));
}

#[test]
fn b11_everything_is_bounded() {
    let long = "x".repeat(9000);
    refuses(&format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), Error::TargetTooLong);
    refuses(&format!("GET /{long}"), Error::TargetTooLong);
    refuses(&with(&format!("X: {long}\r\nY: {long}\r\n")), Error::HeadTooLarge);
    refuses(&format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}{long}"), Error::HeadTooLarge);
    refuses(&with(&"X: y\r\n".repeat(100)), Error::TooManyFields);
    assert!(parse(with(&"X: y\r\n".repeat(99)).as_bytes()).is_ok());
    refuses(&format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "M".repeat(33)), Error::MethodTooLong);
}

fn response(text: &[u8]) -> Result<Response, Error> {
    let mut response = Response::default();
    Parser::default().response(text, &Limits::default(), Method::Get, &mut response).map(|_| response)
}

#[test]
fn responses_are_forwarded_with_our_connection_fields() {
    let answer = b"HTTP/1.1 200 Fine\r\nConnection: keep-alive\r\nContent-Length: 5\r\nX: y\r\n\r\n";
    let mut answer = response(answer).unwrap();
    hop::strip(&mut answer.head);
    let mut request = Request::default();
    let written = |request: &Request, answer: &Response, persistent: bool| {
        let mut out = Vec::new();
        write_response(answer, Delivery::of(answer, request, persistent), &mut out);
        String::from_utf8(out).unwrap()
    };
    let plain = "HTTP/1.1 200 Fine\r\nContent-Length: 5\r\nX: y\r\n";
    assert_eq!(written(&request, &answer, true), format!("{plain}\r\n"));
    assert_eq!(written(&request, &answer, false), format!("{plain}Connection: close\r\n\r\n"));
    request.version = crate::Version::Http10;
    assert_eq!(written(&request, &answer, true), format!("{plain}Connection: keep-alive\r\n\r\n"));
    let endless = response(b"HTTP/1.0 200 OK\r\n\r\n").unwrap();
    assert_eq!(written(&request, &endless, true), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    request.version = crate::Version::Http11;
    assert_eq!(written(&request, &endless, true), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
}

#[test]
fn a24_a25_malformed_answers_are_refused() {
    for text in [
        "<html>hi",
        "HTTP/1.1 200 OK\r\nX-A: a\rSet-Cookie: evil=1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
        "HTTP/1.1 200 OK\nX: a\n\n",
        "HTTP/1.1 99 X\r\n\r\n",
        "HTTP/1.1 099 X\r\n\r\n",
        "HTTP/1.1 2000 X\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: \0\r\n\r\n",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
        assert!(response(text.as_bytes()).is_err(), "{text:?}");
    }
    assert_eq!(response(b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n").unwrap().status, 200);
    assert_eq!(response(b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n").unwrap().status, 200);
}

/// Feeds a head byte by byte, as a slow client does.
fn slowly(text: &[u8]) -> Result<Option<usize>, Error> {
    let (mut parser, mut request) = (Parser::default(), Request::default());
    for end in 1..=text.len() {
        match parser.request(&text[..end], &Rules::default(), &mut request) {
            Ok(None) => {}
            decided => return decided,
        }
    }
    Ok(None)
}

#[test]
fn byte_by_byte_is_as_at_once() {
    for text in [
        with(""),
        with("X: y\r\n\r\nrest"),
        with("Content-Length : 5\r\n"),
        "GET / HTTP/1.1\nHost: a\n\n".to_owned(),
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
    ] {
        assert_eq!(slowly(text.as_bytes()), parse(text.as_bytes()), "{text:?}");
    }
}

fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "GET",
        "POST",
        " ",
        "/",
        "/a?b",
        " HTTP/1.1",
        " HTTP/1.0",
        "\r\n",
        "\n",
        "\r",
        "Host: a",
        "Host",
        ":",
        "X: y",
        "\t",
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
        "\0",
        "é",
        "Connection: close",
        "http://a/",
        "%2e",
        "#",
    ]);
    prop::collection::vec(piece, 0..14).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn what_we_accept_httparse_accepts_alike(noise in pieces(), lines in pieces()) {
        for text in [noise, format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n")] {
            let mut request = Request::default();
            let Ok(Some(used)) = Parser::default().request(text.as_bytes(), &Rules::default(), &mut request) else { continue };
            let mut slots = [httparse::EMPTY_HEADER; 256];
            let mut reference = httparse::Request::new(&mut slots);
            let status = reference.parse(text.as_bytes());
            prop_assert_eq!(status, Ok(httparse::Status::Complete(used)));
            prop_assert_eq!(reference.method.map(str::as_bytes), Some(request.method_text()));
            prop_assert_eq!(reference.path.map(str::as_bytes), Some(request.target()));
            let ours: Vec<(&[u8], &[u8])> = request.head.iter().map(|field| (field.name, field.value)).collect();
            let theirs: Vec<(&[u8], &[u8])> = reference.headers.iter().map(|field| (field.name.as_bytes(), field.value)).collect();
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn what_we_forward_we_accept(lines in pieces()) {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n");
        let mut request = Request::default();
        if let Ok(Some(_)) = Parser::default().request(text.as_bytes(), &Rules::default(), &mut request) {
            hop::strip(&mut request.head);
            let mut out = Vec::new();
            write_request(&request, &mut out);
            let mut again = Request::default();
            prop_assert_eq!(Parser::default().request(&out, &Rules::default(), &mut again), Ok(Some(out.len())));
            prop_assert_eq!(again.framing, request.framing);
            prop_assert_eq!(again.path(), request.path());
        }
    }
}
