//! Targets, hosts and rewrites of requests.
use super::*;
use crate::h1::{Parser, Rules};

fn parse(text: &str) -> Result<Request, Error> {
    let mut request = Request::default();
    let used = Parser::default().request(text.as_bytes(), &Rules::default(), &mut request)?;
    assert_eq!(used, Some(text.len()));
    Ok(request)
}

fn target(target: &str) -> Result<Request, Error> {
    parse(&format!("GET {target} HTTP/1.1\r\nHost: a.example\r\n\r\n"))
}

#[test]
fn path_and_query_are_split() {
    let request = target("/a/b?c=d?e").unwrap();
    assert_eq!((request.path(), request.query()), ("/a/b", Some(&b"c=d?e"[..])));
    assert_eq!(target("/a?").unwrap().query(), Some(&b""[..]));
    assert_eq!(target("/a").unwrap().query(), None);
}

#[test]
fn hosts_are_in_lower_case_and_without_port() {
    let request = parse("GET / HTTP/1.1\r\nHost: API.Example.COM.:8443\r\n\r\n").unwrap();
    assert_eq!((request.host(), request.port()), ("api.example.com", 8443));
    assert_eq!(request.authority(), b"API.Example.COM.:8443");
    assert_eq!(target("/").unwrap().port(), 80);
}

#[test]
fn b1_absolute_form_and_host_must_agree() {
    let request = target("http://A.example/x?y").unwrap();
    assert_eq!((request.host(), request.path()), ("a.example", "/x"));
    assert_eq!(target("http://a.example").unwrap().path(), "/");
    assert_eq!(target("http://a.example?q").unwrap().query(), Some(&b"q"[..]));
    for text in ["http://evil/x", "http://a.example:81/", "https://a.example/", "http://a.example./"] {
        assert_eq!(target(text).err(), Some(Error::HostMismatch), "{text}");
    }
    assert_eq!(target("http:///x").err(), Some(Error::Host));
    for text in ["http://u@a.example/", "http://a.example,b/"] {
        assert!(target(text).is_err(), "{text}");
    }
    for text in ["ftp://a.example/", "a.example", "x", "http:/x", "//"] {
        assert_eq!(target(text).err(), if text == "//" { None } else { Some(Error::Target) }, "{text}");
    }
}

#[test]
fn b2_host_is_there_once_and_plain() {
    assert_eq!(parse("GET / HTTP/1.1\r\n\r\n").err(), Some(Error::HostCount));
    assert_eq!(parse("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n").err(), Some(Error::HostCount));
    assert_eq!(parse("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n").err(), Some(Error::HostCount));
    for host in ["", "a, b", "u@a", "a/x", "a b"] {
        assert_eq!(
            parse(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).err(),
            Some(Error::Host),
            "{host:?}"
        );
    }
    assert_eq!(parse("GET / HTTP/1.0\r\n\r\n").unwrap().host(), "");
}

#[test]
fn b6_queries_have_no_fragment_and_no_control_byte() {
    for text in ["/x?a#b", "/x#a", "/x?\u{e9}"] {
        assert_eq!(target(text).err(), Some(Error::Target), "{text}");
    }
    assert!(target("/x\u{1}").is_err() && target("/x?\u{7f}").is_err());
}

#[test]
fn b13_methods_and_the_asterisk() {
    for method in ["CONNECT a.example:80", "TRACE /", "CONNECT /"] {
        let refused = parse(&format!("{method} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
        assert_eq!(refused.err(), Some(Error::MethodRefused), "{method}");
    }
    assert_eq!(parse("GET * HTTP/1.1\r\nHost: a\r\n\r\n").err(), Some(Error::Target));
    assert_eq!(parse("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").unwrap().path(), "*");
}

#[test]
fn a20_only_100_continue_is_an_expectation() {
    let with = |value: &str, rest: &str| {
        parse(&format!("POST / HTTP/1.1\r\nHost: a\r\nExpect: {value}\r\n{rest}\r\n"))
    };
    assert_eq!(with("y 100-continue", "Content-Length: 35\r\n").err(), Some(Error::Expectation));
    assert_eq!(with("", "").err(), Some(Error::Expectation));
    assert!(with("100-Continue", "Content-Length: 35\r\n").unwrap().expects_continue);
    assert!(!with("100-continue", "").unwrap().expects_continue);
}

#[test]
fn connection_options() {
    let of =
        |version: &str, fields: &str| parse(&format!("GET / {version}\r\nHost: a\r\n{fields}\r\n")).unwrap();
    assert!(of("HTTP/1.1", "").persistent && !of("HTTP/1.0", "").persistent);
    assert!(!of("HTTP/1.1", "Connection: x, CLOSE\r\n").persistent);
    assert!(of("HTTP/1.0", "Connection: Keep-Alive\r\n").persistent);
    assert!(!of("HTTP/1.0", "Connection: keep-alive, close\r\n").persistent);
    assert_eq!(
        of("HTTP/1.1", "Connection: Upgrade\r\nUpgrade: WebSocket\r\n").upgrade,
        Some(Upgrade::WebSocket)
    );
    assert_eq!(of("HTTP/1.1", "Connection: Upgrade\r\nUpgrade: h2c\r\n").upgrade, Some(Upgrade::Other));
    assert_eq!(of("HTTP/1.1", "Upgrade: websocket\r\n").upgrade, None);
    assert_eq!(of("HTTP/1.0", "Connection: Upgrade\r\nUpgrade: websocket\r\n").upgrade, None);
    assert!(of("HTTP/1.1", "TE: trailers\r\n").accepts_trailers);
}

#[test]
fn rewrites_show_in_the_line_that_is_sent() {
    let mut request = target("/v1/orders?x=1").unwrap();
    request.strip_path_prefix(3);
    assert_eq!(request.path(), "/orders");
    request.set_query(Some(b"y=2")).unwrap();
    request.set_authority(b"up.example:8080").unwrap();
    let mut out = Vec::new();
    crate::h1::write_request(&request, &mut out);
    assert_eq!(out, b"GET /orders?y=2 HTTP/1.1\r\nHost: up.example:8080\r\n\r\n");
    request.strip_path_prefix(7);
    assert_eq!(request.path(), "/");
    assert_eq!(request.set_path(&[b"/x y"]), Err(Error::Target));
    assert_eq!(request.set_path(&[b"x"]), Err(Error::Target));
    request.set_path(&[b"/p", b"/q"]).unwrap();
    assert_eq!(request.path(), "/p/q");
}

#[test]
fn b37_upstreams_can_get_the_path_as_it_came() {
    let paths = uri::Rules { as_received: true, ..uri::Rules::default() };
    let rules = Rules { paths, ..Rules::default() };
    let read = |target: &str| {
        let text = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut request = Request::default();
        Parser::default().request(text.as_bytes(), &rules, &mut request).unwrap().unwrap();
        request
    };
    let line = |request: &Request| {
        let mut out = Vec::new();
        crate::h1::write_request(request, &mut out);
        String::from_utf8(out).unwrap().lines().next().unwrap().to_owned()
    };
    for (target, path, sent) in [
        ("/a/%7e/../%e4?b", "/a/%E4", "/a/%7e/../%e4?b"),
        ("http://a//b", "/b", "//b"),
        ("http://a", "/", "/"),
        ("/plain", "/plain", "/plain"),
    ] {
        let mut request = read(target);
        assert_eq!(request.path(), path);
        assert_eq!(line(&request), format!("GET {sent} HTTP/1.1"));
        request.set_query(None).unwrap();
        assert_eq!(line(&request), format!("GET {} HTTP/1.1", sent.trim_end_matches("?b")));
        request.set_path(&[b"/new"]).unwrap();
        assert_eq!(
            line(&request),
            "GET /new HTTP/1.1",
            "what is changed here goes on in the form it has here"
        );
    }
    let mut stripped = read("/v1/%7ea");
    stripped.strip_path_prefix(3);
    assert_eq!(line(&stripped), "GET /~a HTTP/1.1");
}

#[test]
fn requests_of_other_versions_settle_by_the_same_rules() {
    let mut request = Request::default();
    request.begin(Scheme::Https, b"GET", b"a.example", b"/x/../y?z");
    request.settle(uri::Rules::default()).unwrap();
    assert_eq!((request.path(), request.host(), request.port()), ("/y", "a.example", 443));
    request.begin(Scheme::Https, b"GET", b"a.example", b"/");
    request.head.append("host", b"evil").unwrap();
    assert_eq!(request.settle(uri::Rules::default()), Err(Error::HostMismatch), "B3");
    request.begin(Scheme::Https, b"GET", b"a.example", b"http://a.example/");
    assert_eq!(request.settle(uri::Rules::default()), Err(Error::Target));
}
