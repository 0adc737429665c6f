//! Further rows of the attacks: what is legal but odd, what takes its time, and what hides behind an answer.
use crate::Test;
use crate::client::{Client, send};
use crate::origin::{Act, Origin, ok};
use crate::plans::{Draft, redirect, respond};
use crate::rig::Rig;
use weir_meter::Count;

pub const TESTS: &[Test] = &[
    ("a3_a5_what_is_legal_but_odd_is_forwarded_in_its_one_form", canonical),
    ("a16_an_upgrade_that_is_answered_with_200_opens_no_tunnel", not_upgraded),
    ("a17_a_body_behind_an_upgrade_is_a_body", upgrade_with_body),
    ("a19_no_early_answer_turns_a_body_into_a_request", early_answers),
    ("a20_who_expects_and_does_not_send_is_not_waited_for_long", expects),
    ("a21_a_pause_in_a_body_costs_the_connection_to_the_target", pause),
    ("a22_trailers_of_answers_are_filtered", trailers_down),
    ("a23_pipelined_requests_are_each_judged", judged_one_by_one),
    ("a24_malformed_bodies_of_answers_show_and_the_connection_is_gone", broken_bodies),
    ("b7_fields_that_look_like_others_are_dropped", look_alikes),
    ("b9_what_is_added_here_cannot_be_taken_away", added),
    ("b11_large_heads_are_refused_in_bounded_memory", oversize),
    ("e1_a_refused_handshake_opens_no_tunnel", refused_handshake),
    ("e4_a_handshake_has_the_limits_of_any_head", long_handshake),
];

fn rig(origin: &Origin) -> Rig {
    Rig::new(Draft::to(origin.address).finish())
}

fn impatient(origin: &Origin) -> Rig {
    let mut draft = Draft::to(origin.address);
    draft.impatient();
    Rig::new(draft.finish())
}

fn canonical() {
    let origin = Origin::fixed();
    let rig = rig(&origin);
    for (field, body, expect) in [
        (
            "Transfer-Encoding:\tchunked",
            "5\r\nhello\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        ),
        (
            "Transfer-Encoding: CHUNKED",
            "00005\r\nhello\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        ),
        ("Content-Length: 05", "hello", "Content-Length: 5\r\n"),
        ("Content-Length:  \t5\t ", "hello", "Content-Length: 5\r\n"),
    ] {
        let seen = origin.seen().len();
        let mut client = Client::new(rig.address);
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n{body}"));
        assert!(client.answer().starts_with("HTTP/1.1 200 "), "{field:?}");
        let seen = origin.seen().remove(seen);
        assert!(seen.contains(expect) && seen.matches("hello").count() == 1, "{field:?} became {seen:?}");
    }
}

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

fn not_upgraded() {
    let origin = Origin::fixed();
    let mut draft = Draft::default();
    draft.route("/smuggled", |_| respond(403, "judged by itself"));
    draft.route("/*", |draft| weir_plan::route::Action::Upstream(draft.upstream(&[origin.address])));
    let rig = Rig::new(draft.finish());
    let mut client = Client::new(rig.address);
    client.send(format!("{UPGRADE}\r\n{SMUGGLED}"));
    let want = "HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 5\r\nVia: 1.1 weir\r\n\r\nhello";
    assert_eq!(client.bytes(want.len()), want.as_bytes());
    assert!(client.answer().starts_with("HTTP/1.1 403 "), "what follows is a request of its own");
    assert_eq!(origin.seen().len(), 1);
}

fn upgrade_with_body() {
    let origin = Origin::fixed();
    let rig = rig(&origin);
    let mut client = Client::new(rig.address);
    let length = SMUGGLED.len();
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: foo\r\nContent-Length: {length}\r\n\r\n{SMUGGLED}"
    ));
    assert!(client.answer().starts_with("HTTP/1.1 200 "));
    client.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.answer().starts_with("HTTP/1.1 200 "));
    let post =
        format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\nVia: 1.1 weir\r\n\r\n{SMUGGLED}");
    assert_eq!(origin.seen(), [post.as_str(), "GET /next HTTP/1.1\r\nHost: a\r\nVia: 1.1 weir\r\n\r\n"]);
}

fn early_answers() {
    let mut draft = Draft::default();
    draft.route("/hello", |_| respond(200, "made here"));
    draft.route("/refused", |_| respond(401, "no"));
    draft.route("/moved", |_| redirect("https://b/", 308));
    let only_get = draft.route("/method", |_| respond(200, "")).id;
    draft.rules[only_get.0 as usize].conditions.methods = vec!["GET".into()];
    let rig = Rig::new(draft.finish());
    let inner = "GET /hello HTTP/1.1\r\nHost: smuggled\r\n\r\n";
    let chunk = format!("{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len());
    for (path, status) in
        [("/none", 404), ("/refused", 401), ("/moved", 308), ("/method", 405), ("/hello", 200)]
    {
        for (framing, body) in [
            (format!("Content-Length: {}", inner.len()), inner),
            ("Transfer-Encoding: chunked".to_owned(), chunk.as_str()),
        ] {
            let next = "GET /refused HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
            let all = send(
                rig.address,
                format!("POST {path} HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n{body}{next}"),
            );
            assert!(all.starts_with(&format!("HTTP/1.1 {status} ")), "{path} {framing}: {all}");
            let answers = all.matches("HTTP/1.1 ").count();
            assert!(answers == 1 || answers == 2 && all.ends_with("no"), "{path} {framing}: {all}");
        }
    }
}

fn expects() {
    let origin = Origin::new(|_, _| Act::Silence);
    let rig = impatient(&origin);
    let answer =
        send(rig.address, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 408 ") || answer.starts_with("HTTP/1.1 504 "), "{answer}");
    assert!(answer.contains("Connection: close\r\n"), "{answer}");
    assert_eq!(origin.seen(), Vec::<String>::new(), "no whole request has arrived");
}

fn pause() {
    let origin = Origin::fixed();
    let rig = impatient(&origin);
    let mut warm = Client::new(rig.address);
    warm.send("GET /warm HTTP/1.1\r\nHost: a\r\n\r\n");
    warm.answer();
    let slow = send(rig.address, "POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\nGET /smuggled");
    assert!(slow.starts_with("HTTP/1.1 408 "), "{slow}");
    warm.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    warm.answer();
    assert_eq!(origin.connections(), 2, "the one with half a body is never used again");
    assert_eq!(origin.seen().len(), 2);
    assert!(origin.seen().iter().all(|seen| !seen.contains("smuggled")), "{:?}", origin.seen());
}

fn trailers_down() {
    let origin = Origin::new(|_, _| {
        Act::Send(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nContent-Length: 9\r\n\
              Set-Cookie: evil=1\r\nTransfer-Encoding: chunked\r\nGrpc-Status: 0\r\n\r\n"
                .to_vec(),
        )
    });
    let rig = rig(&origin);
    let all = send(rig.address, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(all.ends_with("\r\n\r\n3\r\nabc\r\n0\r\nGrpc-Status: 0\r\n\r\n"), "{all}");
}

/// The head is with the client before its body shows what it is; the end that it waits for never comes.
fn broken_bodies() {
    const BODIES: [&str; 8] = [
        "5\r\nhello0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "5;\0a\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX : y\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: a\0b\r\n\r\n",
    ];
    let origin = Origin::new(|number, _| {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        Act::Send(BODIES.get(number).map_or_else(|| ok("well"), |body| [head, body].concat().into_bytes()))
    });
    let rig = rig(&origin);
    for (at, body) in BODIES.iter().enumerate() {
        let mut client = Client::new(rig.address);
        client.send("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let (answer, _) = client.rest();
        let whole = answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("0\r\n\r\n");
        assert!(!whole, "{body:?} became {answer:?}");
        assert_eq!(origin.connections(), at + 1, "{body:?}: the connection was used again");
    }
    assert!(send(rig.address, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").ends_with("well"));
    assert_eq!(origin.connections(), BODIES.len() + 1);
}

fn judged_one_by_one() {
    let origin = Origin::fixed();
    let mut draft = Draft::default();
    draft.route("/closed/*", |_| respond(403, "closed"));
    draft.route("/*", |draft| weir_plan::route::Action::Upstream(draft.upstream(&[origin.address])));
    let rig = Rig::new(draft.finish());
    let get = |path: &str, rest: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n{rest}\r\n");
    let all = send(
        rig.address,
        get("/open", "")
            + &get("/closed/x", "")
            + &get("/y/../closed/x", "")
            + &get("/open", "Connection: close\r\n"),
    );
    let statuses: Vec<&str> = all.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "403", "403", "200"]);
    assert_eq!(origin.seen().len(), 2);
}

fn look_alikes() {
    let origin = Origin::fixed();
    let rig = rig(&origin);
    let mut client = Client::new(rig.address);
    client.send("GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 1\r\nContent_Length: 9\r\nTransfer_Encoding: chunked\r\n\r\n");
    client.answer();
    assert_eq!(origin.seen(), ["GET / HTTP/1.1\r\nHost: a\r\nVia: 1.1 weir\r\n\r\n"]);
}

fn added() {
    let origin = Origin::fixed();
    let mut draft = Draft::to(origin.address);
    draft.listener.forwarded.x_forwarded = true;
    let rig = Rig::new(draft.finish());
    let names = ["X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP", "Via", "Cookie"];
    let mut client = Client::new(rig.address);
    client.send(format!(
        "GET / HTTP/1.1\r\nHost: a\r\nCookie: a=b\r\nConnection: keep-alive, {}\r\n\r\n",
        names.join(", ")
    ));
    client.answer();
    let seen = origin.seen().remove(0);
    assert!(names.iter().all(|name| seen.contains(&format!("\r\n{name}: "))), "{seen}");
    assert!(!seen.contains("Connection"), "{seen}");
}

fn oversize() {
    let origin = Origin::fixed();
    let rig = rig(&origin);
    let head = |fields: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    for (attack, status) in [
        (head(&format!("X: {}\r\n", "y".repeat(100 * 1024))), 431),
        (head(&"X: y\r\n".repeat(10_000)), 431),
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(64 * 1024)), 414),
        (format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "M".repeat(1000)), 501),
        (format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", "h".repeat(20_000)), 431),
    ] {
        let mut client = Client::new(rig.address);
        // It may be refused before all of it is there.
        let _ = std::io::Write::write_all(&mut client.stream, attack.as_bytes());
        let answer = client.rest().0;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{:.40} gave {answer}", attack);
    }
    assert!(origin.seen().is_empty());
    assert_eq!(rig.count(Count::UpstreamOpened), 0);
}

fn refused_handshake() {
    let origin = Origin::new(|_, _| {
        Act::Send(
            b"HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n"
                .to_vec(),
        )
    });
    let rig = rig(&origin);
    let mut client = Client::new(rig.address);
    client.send(UPGRADE.replace("Version: 13", "Version: 99") + "\r\n");
    assert!(client.answer().starts_with("HTTP/1.1 426 "));
    client.send("\x01\x02raw bytes that are no request\r\n\r\n");
    assert!(client.answer().starts_with("HTTP/1.1 400 "));
    assert_eq!(origin.seen().len(), 1, "nothing went through");
}

fn long_handshake() {
    let origin = Origin::fixed();
    let rig = rig(&origin);
    let long = "x".repeat(20_000);
    let answer = send(rig.address, format!("{UPGRADE}Sec-WebSocket-Protocol: {long}\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert!(origin.seen().is_empty());
}
