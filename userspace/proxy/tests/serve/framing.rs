//! The attacks of parts A, B and E sent byte for byte: each is refused, or forwarded in a form without two readings.
use crate::Test;
use crate::client::{Client, send};
use crate::origin::{Act, Origin, ok};
use crate::plans::Draft;
use crate::rig::Rig;
use weir_message::uri::Rules;

pub const TESTS: &[Test] = &[
    ("a_framing_attacks_are_refused_and_nothing_is_forwarded", refused),
    ("b_target_and_host_attacks_are_refused", targets),
    ("b4_paths_are_normalised_before_they_are_forwarded", normalised),
    ("b37_paths_are_read_as_the_listener_says", paths),
    ("a16_a17_a18_upgrades_that_are_none", upgrades),
    ("a19_unread_bodies_are_no_requests", unread),
    ("a22_trailers_are_filtered", trailers),
    ("a24_a25_malformed_answers_are_502_and_the_connection_is_gone", answers),
    ("b9_fields_of_the_connection_stay_here", connection_fields),
    ("b13_methods", methods),
    ("g10_at_most_16_interim_answers", interims),
    ("e2_an_unasked_101_is_502", unasked),
    ("d4_slow_heads_are_408", slow),
];

fn check(cases: &[(&str, &str, u16)], after: &str) {
    let origin = Origin::fixed();
    let rig = Rig::new(Draft::to(origin.address).finish());
    for (name, attack, status) in cases {
        let answer = send(rig.address, format!("{attack}{after}"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {attack:?} gave {answer:?}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{name}: {answer:?}");
        assert!(answer.contains("Connection: close\r\n"), "{name}: {answer:?}");
    }
    assert_eq!(origin.seen(), Vec::<String>::new(), "nothing may be forwarded");
}

const SMUGGLED: &str = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

fn refused() {
    let post = |fields: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let cases = [
        ("A1", post("Content-Length: 13\r\nTransfer-Encoding: chunked\r\n")),
        ("A2", post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n")),
        ("A3", post("Transfer-Encoding: xchunked\r\n")),
        ("A3", post("Transfer-Encoding: chunked, identity\r\n")),
        ("A3", post("Transfer-Encoding: identity, chunked\r\n")),
        ("A3", post("Transfer-Encoding: \x0bchunked\r\n")),
        ("A3", post("Transfer-Encoding: chunked\x0c\r\n")),
        ("A3", post("Transfer-Encoding: chunked;q=1\r\n")),
        ("A3", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")),
        ("A3", post("Transfer-Encoding:\r\n")),
        ("A4", post("Content-Length: 5\r\nContent-Length: 6\r\n")),
        ("A4", post("Content-Length: 5\r\nContent-Length: 5\r\n")),
        ("A4", post("Content-Length: 5, 5\r\n")),
        ("A4", post("Content-Length: 5,6\r\n")),
        ("A5", post("Content-Length: +5\r\n")),
        ("A5", post("Content-Length: -5\r\n")),
        ("A5", post("Content-Length: 0x5\r\n")),
        ("A5", post("Content-Length: 5 5\r\n")),
        ("A5", post("Content-Length: 5\0\r\n")),
        ("A5", post("Content-Length:\r\n")),
        ("A6", post("Content-Length: 18446744073709551621\r\n")),
        ("A10", "POST / HTTP/1.1\nHost: a\n\n".to_owned()),
        ("A10", post("X: a\rb\r\n")),
        ("A10", "GET / HTTP/1.1\r\nHost: a\r\nX: y\nZ: 1\r\n\r\n".to_owned()),
        ("A11", post("X: a\r\n b\r\n")),
        ("A11", post("Transfer-Encoding:\r\n chunked\r\n")),
        ("A12", post("Content-Length : 5\r\n")),
        ("A12", "GET / HTTP/1.1\r\n Content-Length: 5\r\nHost: a\r\n\r\n".to_owned()),
        ("A13", post("X@Y: 1\r\n")),
        ("A13", post("X Y: 1\r\n")),
        ("A13", post("XY\r\n")),
        ("A13", post("X\u{e9}: 1\r\n")),
        ("A13", post(": 1\r\n")),
        ("A14", post("X: a\0b\r\n")),
        ("A14", post("X: a\x01b\r\n")),
        ("A15", "POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned()),
    ];
    let cases: Vec<(&str, &str, u16)> =
        cases.iter().map(|(name, attack)| (*name, attack.as_str(), 400)).collect();
    check(&cases, SMUGGLED);
    check(
        &[("A20", "GET / HTTP/1.1\r\nHost: a\r\nExpect: y 100-continue\r\nContent-Length: 35\r\n\r\n", 417)],
        SMUGGLED,
    );
    chunks();
}

/// A7, A8, A9, A10: the head is forwarded before the body is known to be bad, so the upstream's connection ends in the
/// middle of a body and is not used again.
fn chunks() {
    for (name, body) in [
        ("A7", "FFFFFFFFFFFFFFFF\r\nhello\r\n"),
        ("A7", "10000000000000005\r\nhello\r\n"),
        ("A7", &format!("{}5\r\nhello\r\n", "0".repeat(64))),
        ("A8", "+5\r\nhello\r\n"),
        ("A8", "-5\r\nhello\r\n"),
        ("A8", "5_0\r\nhello\r\n"),
        ("A8", "5\t\r\nhello\r\n"),
        ("A8", "0x5\r\nhello\r\n"),
        ("A8", "5 \r\nhello\r\n"),
        ("A8", " 5\r\nhello\r\n"),
        ("A8", "\r\nhello\r\n"),
        ("A9", "5;\r\nhello\r\n"),
        ("A9", "5;a=\"x\r\ny\"\r\nhello\r\n"),
        ("A9", "5;\0a\r\nhello\r\n"),
        ("A9", "5;a\nhello\r\n"),
        ("A9", &format!("5;a={}\r\nhello\r\n", "b".repeat(64 * 1024))),
        ("A10", "5\r\nhello\n"),
        ("A10", "5\nhello\r\n"),
    ] {
        let origin = Origin::fixed();
        let rig = Rig::new(Draft::to(origin.address).finish());
        let answer = send(
            rig.address,
            format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}{SMUGGLED}"),
        );
        assert!(
            answer.starts_with("HTTP/1.1 400 ") && answer.matches("HTTP/1.1 ").count() == 1,
            "{name}: {answer:?}"
        );
        assert_eq!(origin.seen(), Vec::<String>::new(), "{name}: no whole request may have arrived");
    }
}

fn targets() {
    let get = |target: &str, fields: &str| format!("GET {target} HTTP/1.1\r\n{fields}\r\n");
    let host = "Host: a\r\n";
    let mut cases = vec![
        ("B1", get("http://evil/x", host)),
        ("B2", get("/", "")),
        ("B2", get("/", "Host: a\r\nHost: b\r\n")),
    ];
    for bad in ["a, b", "u@a", "a/x", "", "a b", "a:x"] {
        cases.push(("B2", get("/", &format!("Host: {bad}\r\n"))));
    }
    for path in ["/x/..%2fadmin", "/x/..;/admin", "/x\\..\\admin", "/a%00", "/..", "/x/../../y"] {
        cases.push(("B4", get(path, host)));
    }
    for path in ["/%c0%ae", "/%u002e", "/%", "/%4"] {
        cases.push(("B5", get(path, host)));
    }
    for path in ["/x#/admin", "/x\x01", "/\u{e9}"] {
        cases.push(("B6", get(path, host)));
    }
    let cases: Vec<(&str, &str, u16)> =
        cases.iter().map(|(name, attack)| (*name, attack.as_str(), 400)).collect();
    check(&cases, "");
    let long = "x".repeat(9000);
    check(&[("B11", &get(&format!("/{long}"), host), 414)], "");
    check(&[("B11", &get("/", &format!("Host: a\r\nA: {long}\r\nB: {long}\r\n")), 431)], "");
    check(&[("B11", &get("/", &format!("{host}{}", "X: y\r\n".repeat(200))), 431)], "");
}

fn normalised() {
    let origin = Origin::fixed();
    let rig = Rig::new(Draft::to(origin.address).finish());
    let mut client = Client::new(rig.address);
    let paths = [
        ("/x/../admin", "/admin"),
        ("/x/%2e%2e/admin", "/admin"),
        ("/./", "/"),
        ("//admin", "/admin"),
        ("/%252e%252e", "/%252e%252e"),
        ("/a%2db", "/a-b"),
    ];
    for (sent, _) in paths {
        client.send(format!("GET {sent} HTTP/1.1\r\nHost: a\r\n\r\n"));
        client.answer();
    }
    let asked: Vec<String> = origin.seen().iter().map(|seen| line(seen).to_owned()).collect();
    assert_eq!(asked, paths.map(|(_, path)| format!("GET {path} HTTP/1.1")));
}

fn line(request: &str) -> &str {
    request.lines().next().unwrap_or_default()
}

/// Routes see the one form whatever goes to the upstream, and what cannot be judged is refused under every rule.
fn paths() {
    let safe = Rules::default();
    let lenient = Rules { merge_slashes: false, keep_escaped_slashes: true, ..safe };
    for (rules, path, sent) in [
        (safe, "/a%2Fb", None),
        (lenient, "/a%2fb//c", Some("/a%2Fb//c")),
        (lenient, "/a%2f..%2fclosed", None),
        (Rules { refuse_dots: true, ..safe }, "/a/../b", None),
        (Rules { refuse_dots: true, ..safe }, "/a/%2e%2e/b", None),
        (Rules { as_received: true, ..safe }, "/x/../%7eb?c=/../d", Some("/x/../%7eb?c=/../d")),
        (Rules { as_received: true, ..safe }, "/x/..%2fb", None),
    ] {
        let origin = Origin::fixed();
        let mut draft = Draft::to(origin.address);
        draft.listener.paths = rules;
        draft.route("/closed/*", |_| crate::plans::respond(403, "closed"));
        let rig = Rig::new(draft.finish());
        let ask = |path: &str| {
            send(rig.address, format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
        };
        let answer = ask(path);
        assert_eq!(answer.starts_with("HTTP/1.1 200 "), sent.is_some(), "{rules:?} {path}: {answer}");
        assert_eq!(answer.starts_with("HTTP/1.1 400 "), sent.is_none(), "{rules:?} {path}: {answer}");
        let seen = origin.seen();
        assert_eq!(
            seen.first().map(|seen| line(seen)),
            sent.map(|sent| format!("GET {sent} HTTP/1.1")).as_deref()
        );
        if !rules.refuse_dots {
            assert!(ask("/open/../closed/x").starts_with("HTTP/1.1 403 "), "{rules:?}");
        }
        assert_eq!(origin.seen().len(), seen.len(), "{rules:?}: what is closed stays closed");
    }
}

fn upgrades() {
    let origin = Origin::fixed();
    let rig = Rig::new(Draft::to(origin.address).finish());
    for (upgrade, rest) in
        [("foo", ""), ("h2c", "HTTP2-Settings: AAMAAABk\r\n"), ("websocket", "Content-Length: 5\r\n")]
    {
        let body = if rest.starts_with("Content") { "hello" } else { "" };
        let mut client = Client::new(rig.address);
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {upgrade}\r\n{rest}\r\n{body}"
        ));
        client.answer();
        // What follows is a request of its own.
        client.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
        client.answer();
    }
    for seen in origin.seen() {
        let seen = seen.to_ascii_lowercase();
        assert!(!seen.contains("upgrade") && !seen.contains("http2-settings"), "{seen}");
    }
    assert_eq!(origin.seen().len(), 6);
}

fn unread() {
    let mut draft = Draft::default();
    draft.route("/hello", |_| crate::plans::respond(200, "made here"));
    let rig = Rig::new(draft.finish());
    let inner = "GET /hello HTTP/1.1\r\nHost: smuggled\r\n\r\n";
    let mut client = Client::new(rig.address);
    client.send(format!("POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{inner}", inner.len()));
    assert!(client.answer().starts_with("HTTP/1.1 404 "));
    client.send("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let (answer, _) = client.rest();
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 1, "{answer}");
}

fn trailers() {
    let origin = Origin::fixed();
    let rig = Rig::new(Draft::to(origin.address).finish());
    let mut client = Client::new(rig.address);
    client.send(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\nHost: x\r\nAuthorization: y\r\n\r\n",
    );
    client.answer();
    assert!(origin.seen()[0].ends_with("Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "{:?}", origin.seen());
}

fn answers() {
    const BAD: [&str; 9] = [
        "HTTP/1.1 200 OK\r\nX-A: a\rSet-Cookie: evil=1\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx",
        "<html>hi",
        "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
    ];
    let origin = Origin::new(|number, _| Act::Send(BAD[number].as_bytes().to_vec()));
    let mut draft = Draft::to(origin.address);
    draft.rules.clear();
    draft.route("/*", |draft| weir_plan::route::Action::Upstream(draft.upstream(&[origin.address])));
    let rig = Rig::new(draft.finish());
    let mut client = Client::new(rig.address);
    for (at, bad) in BAD.iter().enumerate() {
        client.send("POST / HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = client.answer();
        assert!(answer.starts_with("HTTP/1.1 502 "), "{bad:?} gave {answer:?}");
        assert_eq!(origin.connections(), at + 1, "{bad:?}: the connection was used again");
    }
    // A second answer behind the first poisons the connection, not the next client.
    let origin = Origin::new(|_, _| Act::Send([ok("one"), ok("poison")].concat()));
    let rig = Rig::new(Draft::to(origin.address).finish());
    for _ in 0..3 {
        let mut client = Client::new(rig.address);
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(client.answer().ends_with("one"));
    }
    assert_eq!(origin.connections(), 3);
}

fn connection_fields() {
    let origin = Origin::fixed();
    let rig = Rig::new(Draft::to(origin.address).finish());
    let mut client = Client::new(rig.address);
    client.send(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Hop, Authorization, Host\r\nKeep-Alive: 5\r\nX-Hop: 1\r\n\
         Authorization: b\r\nTE: trailers\r\nProxy-Connection: keep-alive\r\nX_Under: 1\r\n\r\n",
    );
    client.answer();
    assert_eq!(origin.seen(), ["GET / HTTP/1.1\r\nHost: a\r\nAuthorization: b\r\nVia: 1.1 weir\r\n\r\n"]);
}

fn methods() {
    check(
        &[
            ("B13", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 405),
            ("B13", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
            ("B13", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ],
        "",
    );
    let origin = Origin::fixed();
    let rig = Rig::new(Draft::to(origin.address).finish());
    let answer = send(rig.address, "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
}

fn interims() {
    let origin = Origin::new(|number, _| {
        let count = if number == 0 { 16 } else { 17 };
        Act::Send(["HTTP/1.1 102 Processing\r\n\r\n".repeat(count).into_bytes(), ok("done")].concat())
    });
    let rig = Rig::new(Draft::to(origin.address).finish());
    let close = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = send(rig.address, close);
    assert_eq!(answer.matches("HTTP/1.1 102 ").count(), 16);
    assert!(answer.ends_with("done"));
    let answer = send(rig.address, close);
    assert_eq!(answer.matches("HTTP/1.1 102 ").count(), 16);
    assert!(answer.contains("HTTP/1.1 502 "), "{answer}");
}

fn unasked() {
    let origin = Origin::new(|_, _| {
        Act::Send(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".to_vec(),
        )
    });
    let rig = Rig::new(Draft::to(origin.address).finish());
    let mut client = Client::new(rig.address);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.answer().starts_with("HTTP/1.1 502 "));
}

fn slow() {
    let origin = Origin::fixed();
    let mut draft = Draft::to(origin.address);
    draft.impatient();
    let rig = Rig::new(draft.finish());
    let mut client = Client::new(rig.address);
    client.send("GET / HTTP/1.1\r\nHost: a\r\nX:");
    let (answer, _) = client.rest();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
}
