//! From HTTP/1 to HTTP/2 and back: what may be told in both is the same in both.
use super::*;
use proptest::prelude::*;
use weir_message::Method;
use weir_message::h1::{Parser, write_request};
use weir_message::h2::{self as codec, AnswerReader, hpack};

/// What the library makes of a request that is written for a target.
fn asked(request: &Request) -> Parts {
    let mut block = Vec::new();
    codec::write_request(request, &mut block);
    let mut asked = http::Request::new(());
    let (mut authority, mut path) = (String::new(), String::new());
    let read = hpack::Decoder::new(0).decode(&block, |name, value| {
        let text = String::from_utf8_lossy(value).into_owned();
        match name {
            b":method" => *asked.method_mut() = text.parse().unwrap(),
            b":scheme" => assert_eq!(text, "http"),
            b":authority" => authority = text,
            b":path" => path = text,
            name => {
                let name = HeaderName::from_bytes(name).unwrap();
                asked.headers_mut().append(name, HeaderValue::from_bytes(value).unwrap());
            }
        }
    });
    assert_eq!(read, Ok(()));
    *asked.uri_mut() = format!("http://{authority}{path}").parse().unwrap();
    asked.into_parts().0
}

/// What is read of an answer that the library was given.
fn answered(answer: &http::Response<()>) -> Response {
    let mut block = Vec::new();
    hpack::field((Name::Other, b":status"), answer.status().as_str().as_bytes(), &mut block);
    for (name, value) in answer.headers() {
        hpack::field((Name::Other, name.as_str().as_bytes()), value.as_bytes(), &mut block);
    }
    let mut response = Response::default();
    let mut reader = AnswerReader::new(&mut response, 1 << 16);
    assert_eq!(hpack::Decoder::new(0).decode(&block, |name, value| reader.take(name, value)), Ok(()));
    assert_eq!(reader.end(), Ok(()));
    response.settle(Method::Get).unwrap();
    response
}

fn names() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "X-A",
        "x-b",
        "Accept",
        "Cookie",
        "Content-Type",
        "Via",
        "X-Forwarded-For",
        "Authorization",
        "TE",
        "Range",
    ])
}

fn lines() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    prop::collection::vec((names(), "[!-~]([ -~]{0,12}[!-~])?"), 0..8)
}

/// Every field by its name in lower case, in one order.
fn sorted(head: &Head) -> Vec<(String, Vec<u8>)> {
    let lower = |name: &[u8]| String::from_utf8_lossy(name).to_ascii_lowercase();
    let mut all: Vec<_> = head
        .iter()
        .filter(|field| !matches!(field.id, Name::Host | Name::Te))
        .map(|field| (lower(field.name), field.value.to_vec()))
        .collect();
    all.sort();
    all
}

/// Several lines of cookies are one after HTTP/2 (RFC 9113, section 8.2.3).
fn with_one_cookie(mut fields: Vec<(String, Vec<u8>)>, cookies: &[&str]) -> Vec<(String, Vec<u8>)> {
    fields.retain(|(name, _)| name != "cookie");
    if !cookies.is_empty() {
        fields.push(("cookie".to_owned(), cookies.join("; ").into_bytes()));
        fields.sort();
    }
    fields
}

proptest! {
    #[test]
    fn requests_are_the_same_after_a_way_over_http_2(
        method in prop::sample::select(vec!["GET", "POST", "PUT", "DELETE", "BREW"]),
        path in "(/[a-z0-9._~!$&'()*+,;=:@-]{0,6}){1,4}",
        query in prop::option::of("[a-z0-9=&/?]{0,8}"),
        lines in lines(),
        length in prop::option::of(0_u32..100),
    ) {
        let target = query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
        let fields: String = lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let framing = length.map_or_else(String::new, |length| format!("Content-Length: {length}\r\n"));
        let text = format!("{method} {target} HTTP/1.1\r\nHost: a.example:81\r\n{fields}{framing}\r\n");
        let mut request = Request::default();
        let read = Parser::default().request(text.as_bytes(), &Rules::default(), &mut request);
        prop_assume!(read == Ok(Some(text.len())));
        hop::strip(&mut request.head);
        let parts = asked(&request);
        let mut again = Request::default();
        super::read(&parts, request.framing.is_empty(), &Rules::default(), &mut again).unwrap();
        prop_assert_eq!(again.method_text(), request.method_text());
        prop_assert_eq!((again.path(), again.query()), (request.path(), request.query()));
        prop_assert_eq!((again.authority(), again.host()), (request.authority(), request.host()));
        prop_assert_eq!(again.framing.is_empty(), request.framing.is_empty());
        let cookies: Vec<&str> = lines.iter().filter(|(name, _)| *name == "Cookie").map(|(_, value)| value.as_str()).collect();
        prop_assert_eq!(sorted(&again.head), with_one_cookie(sorted(&request.head), &cookies));
        // And once more as text: it is accepted, and asks for the same.
        let mut out = Vec::new();
        write_request(&again, &mut out);
        let mut last = Request::default();
        prop_assert_eq!(Parser::default().request(&out, &Rules::default(), &mut last), Ok(Some(out.len())));
        prop_assert_eq!((last.path(), last.authority()), (request.path(), request.authority()));
    }

    #[test]
    fn answers_are_the_same_after_a_way_over_http_2(status in 200_u16..600, lines in lines()) {
        let mut response = Response::default();
        response.begin(status);
        for (name, value) in lines.iter().filter(|(name, _)| *name != "TE") {
            response.head.append(name, value.as_bytes()).unwrap();
        }
        let again = answered(&write(&response).unwrap());
        prop_assert_eq!((again.status, again.version), (status, weir_message::Version::Http2));
        prop_assert_eq!(sorted(&again.head), sorted(&response.head));
    }
}
