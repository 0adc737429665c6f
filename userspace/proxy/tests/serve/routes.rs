//! Requests find their route, their upstream, and their way back.
use crate::Test;
use crate::client::{Client, send};
use crate::origin::{Act, Origin, ok};
use crate::plans::{Draft, redirect, respond};
use crate::rig::Rig;
use weir_meter::Count;
use weir_plan::listener::Forwarded;
use weir_plan::page::{Form, Page, Pages};
use weir_plan::route::Action;

pub const TESTS: &[Test] = &[
    ("a_request_reaches_the_origin_and_comes_back", to_the_origin),
    ("keep_alive_on_both_sides", keep_alive),
    ("pipelined_requests_are_answered_in_order", pipelined),
    ("respond_and_redirect_need_no_upstream", own_answers),
    ("b35_no_route_is_404", no_route),
    ("b35_refused_connection_is_502", refused),
    ("b60_problems_name_the_request", problems),
    ("b60_errors_look_as_the_listener_says", pages),
    ("targets_take_turns", turns),
    ("a_failing_target_is_passed_over", passed_over),
    ("f4_a_stale_connection_is_replaced_once", stale),
    ("f4_a_post_is_never_sent_twice", no_double_post),
    ("targets_may_be_named", named),
    ("b22_forwarding_fields_reach_the_origin", forwarded),
    ("b22_rewrites_reach_the_origin_and_say_what_was_taken_off", rewritten),
    ("b26_an_answer_without_a_date_gets_one", dated),
    ("b77_browsers_are_told_to_come_by_tls", secure),
    ("every_method_reaches_the_origin", methods),
    ("b55_draining_ends_connections_after_their_exchange", draining),
    ("b27_a_trace_goes_on_at_the_origin", trace),
];

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn to_the_origin() {
    let origin = Origin::fixed();
    let rig = Rig::new(Draft::to(origin.address).finish());
    let mut client = Client::new(rig.address);
    client.send("GET /x?y HTTP/1.1\r\nHost: a.example\r\nX-A: 1\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(
        client.answer(),
        "HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 5\r\nVia: 1.1 weir\r\n\r\nhello"
    );
    assert_eq!(origin.seen(), ["GET /x?y HTTP/1.1\r\nHost: a.example\r\nX-A: 1\r\nVia: 1.1 weir\r\n\r\n"]);
}

fn keep_alive() {
    let origin = Origin::fixed();
    let rig = Rig::new(Draft::to(origin.address).finish());
    let mut client = Client::new(rig.address);
    for _ in 0..5 {
        client.send(get("/"));
        assert!(client.answer().ends_with("hello"));
    }
    assert_eq!((origin.connections(), origin.seen().len()), (1, 5));
    assert_eq!((rig.count(Count::UpstreamOpened), rig.count(Count::UpstreamReused)), (1, 4));
}

fn pipelined() {
    let origin = Origin::new(|_, message| {
        let path = message.split(|byte| *byte == b' ').nth(1).unwrap();
        Act::Send(ok(std::str::from_utf8(path).unwrap()))
    });
    let rig = Rig::new(Draft::to(origin.address).finish());
    let close = "GET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let all = send(rig.address, get("/1") + &get("/2") + close);
    let bodies: Vec<&str> = all.split("\r\n\r\n").skip(1).map(|part| &part[..2]).collect();
    assert_eq!(bodies, ["/1", "/2", "/3"]);
    assert!(all.contains("Connection: close"));
}

fn own_answers() {
    let mut draft = Draft::default();
    draft.route("/hello", |_| respond(201, "made here"));
    draft.route("/old/*", |_| redirect("https://{host}{path}{query}", 308));
    let rig = Rig::new(draft.finish());
    let mut client = Client::new(rig.address);
    client.send(get("/hello"));
    let answer = client.answer();
    assert!(
        answer.starts_with("HTTP/1.1 201 Created\r\nContent-Type: text/plain\r\nContent-Length: 9\r\nDate: "),
        "{answer}"
    );
    assert!(answer.ends_with("made here"));
    client.send("HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(client.bytes(1));
    }
    client.send(get("/old/x?y=1"));
    let answer = client.answer();
    assert!(
        answer.starts_with("HTTP/1.1 308 Permanent Redirect\r\nLocation: https://a/old/x?y=1\r\n"),
        "{answer}"
    );
}

fn no_route() {
    let mut draft = Draft::default();
    draft.route("/hello", |_| respond(200, ""));
    let rig = Rig::new(draft.finish());
    let mut client = Client::new(rig.address);
    client.send(get("/other"));
    assert!(client.answer().starts_with("HTTP/1.1 404 Not Found\r\n"));
    client.send(get("/hello"));
    assert!(client.answer().starts_with("HTTP/1.1 200 OK\r\n"), "the connection lives on");
}

fn refused() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let rig = Rig::new(Draft::to(nobody).finish());
    let mut client = Client::new(rig.address);
    client.send(get("/"));
    assert!(client.answer().starts_with("HTTP/1.1 502 Bad Gateway\r\n"));
}

fn problems() {
    let rig = Rig::new(Draft::default().finish());
    let mut client = Client::new(rig.address);
    client.send(get("/"));
    let answer = client.answer();
    assert!(answer.contains("Content-Type: application/problem+json\r\n"));
    assert!(answer.contains(
        r#""status":404,"detail":"Nothing is served under this host and path.","instance":"urn:uuid:"#
    ));
    client.send("GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n");
    let answer = client.answer();
    assert!(
        answer.contains("Content-Type: text/html; charset=utf-8\r\n")
            && answer.contains("<h1>Not Found</h1>"),
        "{answer}"
    );
    client.send("GET / HTTP/1.1\r\nHost: a\r\nAccept: text/plain\r\n\r\n");
    assert!(client.answer().ends_with("Not Found\nNothing is served under this host and path.\n"));
}

fn pages() {
    let form = |text: &str| Some(Form::parse(text.as_bytes()));
    let mut draft = Draft::default();
    draft.listener.pages = Pages(vec![
        Page {
            statuses: vec![(404, 404)],
            html: form("<p>{status} {title}: {detail} ({request_id})"),
            ..Page::default()
        },
        Page { statuses: vec![(400, 599)], json: form(r#"{"error":{status}}"#), ..Page::default() },
    ]);
    let rig = Rig::new(draft.finish());
    let mut client = Client::new(rig.address);
    client.send("GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n");
    let page = client.answer();
    assert!(
        page.contains("\r\n\r\n<p>404 Not Found: Nothing is served under this host and path. ("),
        "{page}"
    );
    client.send(get("/"));
    assert!(client.answer().contains("application/problem+json"), "the page of the status has no JSON");
    client.send("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = client.answer();
    assert!(answer.contains("application/json\r\n") && answer.ends_with(r#"{"error":405}"#), "{answer}");
}

fn turns() {
    let (one, two) = (Origin::fixed(), Origin::fixed());
    let mut draft = Draft::default();
    draft.route("/*", |draft| Action::Upstream(draft.upstream(&[one.address, two.address])));
    let rig = Rig::new(draft.finish());
    let mut client = Client::new(rig.address);
    for _ in 0..10 {
        client.send(get("/"));
        client.answer();
    }
    assert_eq!((one.seen().len(), two.seen().len()), (5, 5));
}

fn passed_over() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let origin = Origin::fixed();
    let mut draft = Draft::default();
    draft.route("/*", |draft| Action::Upstream(draft.upstream(&[nobody, origin.address])));
    let rig = Rig::new(draft.finish());
    let mut client = Client::new(rig.address);
    for _ in 0..4 {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
        assert!(client.answer().ends_with("hello"));
    }
    assert!(rig.count(Count::Retried) >= 1);
}

fn stale() {
    // The first answer closes the connection without saying so.
    let origin =
        Origin::new(|number, _| if number == 0 { Act::Last(ok("one")) } else { Act::Send(ok("two")) });
    let rig = Rig::new(Draft::to(origin.address).finish());
    let mut client = Client::new(rig.address);
    client.send(get("/"));
    assert!(client.answer().ends_with("one"));
    client.send(get("/"));
    assert!(client.answer().ends_with("two"));
    assert_eq!(origin.connections(), 2);
}

fn no_double_post() {
    let origin =
        Origin::new(|number, _| if number == 0 { Act::Send(ok("one")) } else { Act::Last(Vec::new()) });
    let rig = Rig::new(Draft::to(origin.address).finish());
    let mut client = Client::new(rig.address);
    client.send(get("/"));
    client.answer();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    assert!(client.answer().starts_with("HTTP/1.1 502 "));
    assert_eq!(origin.seen().len(), 2);
}

fn named() {
    let origin = Origin::fixed();
    let mut draft = Draft::default();
    let named = Draft::default();
    for name in ["localhost", "name.invalid"] {
        let mut upstream = std::sync::Arc::into_inner(named.upstream_alone(&[origin.address])).unwrap();
        upstream.id = weir_plan::id::UpstreamId(u32::try_from(draft.upstreams.len()).unwrap());
        upstream.targets[0].address = weir_plan::upstream::Address::Name(name.into(), origin.address.port());
        let upstream = std::sync::Arc::new(upstream);
        draft.upstreams.push(std::sync::Arc::clone(&upstream));
        draft.route(&format!("/{name}"), |_| Action::Upstream(upstream));
    }
    let rig = Rig::new(draft.finish());
    let mut client = Client::new(rig.address);
    for _ in 0..3 {
        client.send(get("/localhost"));
        assert!(client.answer().ends_with("hello"));
    }
    client.send(get("/name.invalid"));
    let answer = client.answer();
    assert!(answer.starts_with("HTTP/1.1 502 ") || answer.starts_with("HTTP/1.1 504 "), "{answer}");
}

fn forwarded() {
    let origin = Origin::fixed();
    let mut draft = Draft::to(origin.address);
    draft.listener.forwarded = Forwarded { x_forwarded: true, rfc7239: false };
    let rig = Rig::new(draft.finish());
    let mut client = Client::new(rig.address);
    client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.0.0.1\r\nX-Real-IP: 10.0.0.1\r\n\r\n");
    client.answer();
    let seen = origin.seen().remove(0);
    assert!(seen.contains("X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n"), "{seen}");
    assert!(seen.contains("X-Real-IP: 127.0.0.1\r\n") && !seen.contains("10.0.0.1"), "{seen}");
}

fn dated() {
    let origin = Origin::new(|number, _| {
        let date = if number == 0 { "" } else { "Date: then\r\n" };
        Act::Send(format!("HTTP/1.1 200 OK\r\n{date}Content-Length: 0\r\n\r\n").into_bytes())
    });
    let rig = Rig::new(Draft::to(origin.address).finish());
    let mut client = Client::new(rig.address);
    let mut asked = || {
        client.send(get("/"));
        let answer = client.answer();
        let mut dates = answer.lines().filter_map(|line| line.strip_prefix("Date: ").map(str::to_owned));
        (dates.next().unwrap(), dates.next())
    };
    let (date, second) = asked();
    assert!(date.ends_with(" GMT") && date.len() == 29 && second.is_none(), "{date}");
    assert_eq!(asked(), ("then".to_owned(), None), "what the origin says stays");
}

/// In every answer, once, whatever the origin says; unless nobody wants it said.
fn secure() {
    let origin = Origin::new(|_, _| {
        let said = "Strict-Transport-Security: max-age=0\r\nstrict-transport-security: max-age=1\r\n";
        Act::Send(format!("HTTP/1.1 200 OK\r\n{said}Content-Length: 0\r\n\r\n").into_bytes())
    });
    for (wanted, told) in [(Some("max-age=60; preload"), ["max-age=60; preload"].as_slice()), (None, &[])] {
        let mut draft = Draft::to(origin.address);
        draft.listener.hsts = wanted.map(Into::into);
        draft.route("/here", |_| respond(200, ""));
        draft.route("/there", |_| redirect("https://b/", 308));
        draft.rules[0].conditions.methods = vec!["GET".into()];
        let rig = Rig::new(draft.finish());
        for (method, path, of_origin) in
            [("GET", "/", 2), ("GET", "/here", 0), ("GET", "/there", 0), ("PUT", "/", 0), ("GET", "/%", 0)]
        {
            let answer = send(
                rig.address,
                format!("{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
            );
            let lines = answer.lines().filter_map(|line| line.split_once(": "));
            let values: Vec<&str> = lines
                .filter(|(name, _)| name.eq_ignore_ascii_case("strict-transport-security"))
                .map(|(_, value)| value)
                .collect();
            if wanted.is_some() {
                assert_eq!(values, told, "{method} {path}");
            } else {
                assert_eq!(values.len(), of_origin, "{method} {path}");
            }
        }
    }
}

fn methods() {
    let origin = Origin::fixed();
    let rig = Rig::new(Draft::to(origin.address).finish());
    let mut client = Client::new(rig.address);
    let names =
        ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "QUERY", "BREW", "M-SEARCH", "get"];
    for name in names {
        client.send(format!("{name} /x HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(client.answer().ends_with("hello"), "{name}");
    }
    let seen: Vec<String> =
        origin.seen().iter().map(|seen| seen.lines().next().unwrap_or_default().to_owned()).collect();
    assert_eq!(seen, names.map(|name| format!("{name} /x HTTP/1.1")));
}

fn rewritten() {
    let origin = Origin::fixed();
    let mut draft = Draft::default();
    let route = draft.route("/v1/*", |draft| Action::Upstream(draft.upstream(&[origin.address])));
    route.rewrite.strip_prefix = Some("/v1".to_owned());
    route.rewrite.add_prefix = Some("/app".to_owned());
    draft.listener.forwarded.x_forwarded = true;
    let rig = Rig::new(draft.finish());
    let mut client = Client::new(rig.address);
    for path in ["/v1/orders?x=1", "/v1", "/x/../v1/%2e/a"] {
        client.send(get(path));
        client.answer();
    }
    let lines: Vec<String> =
        origin.seen().iter().map(|seen| seen.lines().next().unwrap().to_owned()).collect();
    assert_eq!(lines, ["GET /app/orders?x=1 HTTP/1.1", "GET /app/ HTTP/1.1", "GET /app/a HTTP/1.1"]);
    assert!(origin.seen().iter().all(|seen| seen.matches("X-Forwarded-Prefix: /v1\r\n").count() == 1));
}

fn draining() {
    let origin = Origin::fixed();
    let mut rig = Rig::new(Draft::to(origin.address).finish());
    let mut idle = Client::new(rig.address);
    idle.send(get("/"));
    idle.answer();
    rig.drain();
    assert_eq!(idle.rest(), (String::new(), true), "an idle connection is closed in good order");
    assert!(std::net::TcpStream::connect(rig.address).is_err(), "nobody listens any more");
}

fn trace() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const OLD: &str = "00f067aa0ba902b7";
    let origin = Origin::fixed();
    let rigs = [true, false].map(|joins| {
        let mut draft = Draft::to(origin.address);
        draft.listener.joins_traces = joins;
        Rig::new(draft.finish())
    });
    for (rig, joins) in rigs.iter().zip([true, false]) {
        let said = format!("traceparent: 00-{TRACE}-{OLD}-01\r\ntracestate: a=1\r\n");
        send(rig.address, format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{said}\r\n"));
        let seen = origin.seen().pop().unwrap();
        assert!(
            seen.contains(&format!("traceparent: 00-{TRACE}-")) && seen.contains("tracestate: a=1\r\n"),
            "{seen}"
        );
        assert_eq!(!seen.contains(OLD), joins, "{seen}");
        send(rig.address, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert!(!origin.seen().pop().unwrap().contains("traceparent"));
    }
}
