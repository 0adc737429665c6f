//! What must hold for every head: the tests replay files by it, and the fuzz target tries to break it.

use weir_message::h1::{Delivery, Parser, Rules, write_request, write_response};
use weir_message::{Framing, Limits, Method, Request, Response, hop};

type Read = Result<Option<usize>, weir_message::Error>;

/// Reads bytes as a request and as an answer, at once and byte by byte; panics if something does not hold.
pub(crate) fn heads(input: &[u8]) {
    request(input);
    response(input);
}

fn read_request(input: &[u8]) -> (Read, Request) {
    let mut request = Request::default();
    (Parser::default().request(input, &Rules::default(), &mut request), request)
}

fn read_response(input: &[u8]) -> (Read, Response) {
    let mut response = Response::default();
    (Parser::default().response(input, &Limits::default(), Method::Get, &mut response), response)
}

fn request(input: &[u8]) {
    let (read, mut request) = read_request(input);
    let mut parser = Parser::default();
    let mut again = Request::default();
    // The first length at which something is decided decides as the whole does.
    let slowly = (1..=input.len()).map(|end| {
        let start = input.get(..end).unwrap_or_default();
        parser.request(start, &Rules::default(), &mut again)
    });
    let slowly = slowly.filter(|read| *read != Ok(None)).take(1).last();
    match (&read, slowly) {
        (Ok(Some(used)), Some(slowly)) => assert_eq!(slowly, Ok(Some(*used))),
        (Err(_), Some(slowly)) => assert!(slowly.is_err(), "{slowly:?}"),
        (Ok(None), slowly) => assert_eq!(slowly, None),
        (read, None) => assert!(matches!(read, Err(_) | Ok(None)), "{read:?}"),
    }
    let Ok(Some(used)) = read else { return };
    assert!(used <= input.len());
    hop::strip(&mut request.head);
    let mut out = Vec::new();
    write_request(&request, &mut out);
    if request.authority().is_empty() {
        // HTTP/1.0 need not say whom it asks (RFC 9112, section 3.2); we say so to the target, and want to be told ourselves.
        return;
    }
    let (read, again) = read_request(&out);
    assert_eq!(
        read,
        Ok(Some(out.len())),
        "what is forwarded is accepted: {:?}",
        String::from_utf8_lossy(&out)
    );
    assert_eq!(
        (again.framing, again.path(), again.query()),
        (request.framing, request.path(), request.query())
    );
    assert_eq!(again.method_text(), request.method_text());
    // RFC 9110, section 4.2.3: the case of a host means nothing, and target and `Host` may differ in it.
    assert!(again.authority().eq_ignore_ascii_case(request.authority()));
    assert_one_line_per_field(&out, again.head.len());
}

fn response(input: &[u8]) {
    let (Ok(Some(_)), mut response) = read_response(input) else { return };
    hop::strip(&mut response.head);
    let framing = response.framing;
    let delivery = Delivery { framing, persistent: true, ..Delivery::default() };
    let mut out = Vec::new();
    write_response(&response, delivery, &mut out);
    let (read, again) = read_response(&out);
    assert_eq!(
        read,
        Ok(Some(out.len())),
        "what is passed on is accepted: {:?}",
        String::from_utf8_lossy(&out)
    );
    assert_eq!(again.status, response.status);
    if framing != Framing::UntilClose {
        assert_eq!(again.framing, framing);
    }
    assert_one_line_per_field(&out, again.head.len());
}

/// No value brings lines of its own.
fn assert_one_line_per_field(text: &[u8], fields: usize) {
    let lines = text.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines, fields + 2, "{:?}", String::from_utf8_lossy(text));
    assert!(!text.contains(&0), "{:?}", String::from_utf8_lossy(text));
}
