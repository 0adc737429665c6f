//! Bodies in both directions, whole, late, early, and cut short.
use crate::Test;
use crate::client::{Client, send};
use crate::origin::{Act, Origin, ok};
use crate::plans::Draft;
use crate::rig::Rig;
use weir_meter::Count;

pub const TESTS: &[Test] = &[
    ("bodies_with_a_length", with_length),
    ("chunked_bodies_are_coded_anew", chunked),
    ("large_bodies_pass_unchanged", large),
    ("more_than_a_long_body_spoils_the_connection", long_and_more),
    ("answers_to_the_end_of_the_connection", until_close),
    ("head_204_and_304_have_no_body", without_body),
    ("b34_100_continue_is_relayed", continued),
    ("early_answers_end_the_upload", early),
    ("what_is_left_of_a_short_upload_is_read_away", early_and_short),
    ("f4_an_answer_cut_short_is_visible", cut_short),
    ("b35_silence_is_504", silence),
    ("b33_websocket_after_101", websocket),
    ("http_1_0_clients", old_clients),
    ("http_1_0_connections_that_shall_live_do", old_and_kept),
    ("b34_interim_answers_are_passed_on_but_to_http_1_0", hints),
    ("body_max_is_413", too_large),
];

fn rig(origin: &Origin) -> Rig {
    Rig::new(Draft::to(origin.address).finish())
}

fn impatient(origin: &Origin) -> Rig {
    let mut draft = Draft::to(origin.address);
    draft.impatient();
    Rig::new(draft.finish())
}

fn with_length() {
    let origin = Origin::fixed();
    let rig = rig(&origin);
    let mut client = Client::new(rig.address);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello");
    client.send(" world");
    client.answer();
    assert!(origin.seen()[0].ends_with("Content-Length: 11\r\nVia: 1.1 weir\r\n\r\nhello world"));
}

fn chunked() {
    let origin = Origin::new(|_, _| {
        Act::Send(b"HTTP/1.1 200 OK\r\nDate: then\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nGrpc-Status: 0\r\nX: y\r\n\r\n".to_vec())
    });
    let rig = rig(&origin);
    let mut client = Client::new(rig.address);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n0\r\nA: b\r\n\r\n");
    let want = "HTTP/1.1 200 OK\r\nDate: then\r\nVia: 1.1 weir\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nGrpc-Status: 0\r\n\r\n";
    assert_eq!(client.bytes(want.len()), want.as_bytes());
    assert!(
        origin.seen()[0].ends_with("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        "{:?}",
        origin.seen()
    );
}

fn large() {
    let origin = Origin::new(|_, message| {
        let body = message.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let mut answer =
            format!("HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: {}\r\n\r\n", message.len() - body)
                .into_bytes();
        answer.extend_from_slice(&message[body..]);
        Act::Send(answer)
    });
    let rig = rig(&origin);
    let body: Vec<u8> = (0..3_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut client = Client::new(rig.address);
    for _ in 0..2 {
        client.send(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len()));
        client.send(&body);
        let head = format!(
            "HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: {}\r\nVia: 1.1 weir\r\n\r\n",
            body.len()
        );
        assert_eq!(client.bytes(head.len()), head.as_bytes());
        assert!(client.bytes(body.len()) == body, "the body changed on its way");
    }
}

/// What comes behind a long body is not of it: the connection to the target is not used again.
fn long_and_more() {
    let origin = Origin::new(|_, _| {
        let mut answer = ok(&"y".repeat(2_000_000));
        answer.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        Act::Send(answer)
    });
    let rig = rig(&origin);
    let mut client = Client::new(rig.address);
    for connections in 1..=2 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let head = "HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 2000000\r\nVia: 1.1 weir\r\n\r\n";
        assert_eq!(String::from_utf8(client.bytes(head.len())).unwrap(), head);
        assert!(client.bytes(2_000_000).iter().all(|byte| *byte == b'y'));
        assert_eq!(origin.connections(), connections);
    }
}

fn until_close() {
    let origin = Origin::new(|_, _| Act::Last(b"HTTP/1.0 200 OK\r\nDate: then\r\n\r\nall of it".to_vec()));
    let rig = rig(&origin);
    let mut client = Client::new(rig.address);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let want = "HTTP/1.1 200 OK\r\nDate: then\r\nVia: 1.0 weir\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nall of it\r\n0\r\n\r\n";
    assert_eq!(String::from_utf8(client.bytes(want.len())).unwrap(), want);
}

fn without_body() {
    let origin = Origin::new(|number, _| {
        Act::Send(match number {
            0 => b"HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 500\r\n\r\n".to_vec(),
            1 => b"HTTP/1.1 204 No Content\r\nDate: then\r\n\r\n".to_vec(),
            2 => b"HTTP/1.1 304 Not Modified\r\nDate: then\r\nContent-Length: 500\r\n\r\n".to_vec(),
            _ => ok("last"),
        })
    });
    let rig = rig(&origin);
    let mut client = Client::new(rig.address);
    for (method, want) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 500\r\nVia: 1.1 weir\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\nDate: then\r\nVia: 1.1 weir\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nDate: then\r\nContent-Length: 500\r\nVia: 1.1 weir\r\n\r\n"),
    ] {
        client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(String::from_utf8(client.bytes(want.len())).unwrap(), want);
    }
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.answer().ends_with("last"));
    assert_eq!(origin.connections(), 1, "every one of them left the connection usable");
}

fn continued() {
    // The origin sees the head alone first; its script answers that, then the body.
    let origin = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = origin.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = origin.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut one = [0];
            stream.read_exact(&mut one).unwrap();
            head.push(one[0]);
        }
        stream
            .write_all(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
            .unwrap();
        let mut body = [0; 5];
        stream.read_exact(&mut body).unwrap();
        stream.write_all(&ok("thanks")).unwrap();
        (head, body)
    });
    let rig = Rig::new(Draft::to(address).finish());
    let mut client = Client::new(rig.address);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    let want = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
    assert_eq!(String::from_utf8(client.bytes(want.len())).unwrap(), want);
    client.send("hello");
    assert!(client.answer().ends_with("thanks"));
    let (head, body) = thread.join().unwrap();
    assert!(String::from_utf8(head).unwrap().contains("Expect: 100-continue\r\n"));
    assert_eq!(&body, b"hello");
}

fn early() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        let mut some = [0; 100];
        let _ = stream.read(&mut some).unwrap();
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").unwrap();
        // Keeps the connection open until the proxy gives it up.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let mut draft = Draft::to(address);
    draft.impatient();
    let rig = Rig::new(draft.finish());
    let mut client = Client::new(rig.address);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\npart");
    let (answer, _) = client.rest();
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n") && answer.ends_with("no"), "{answer}");
    thread.join().unwrap();
}

fn early_and_short() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        use std::io::{Read, Write};
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 200]).unwrap();
            stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    let rig = Rig::new(Draft::to(address).finish());
    let mut client = Client::new(rig.address);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\npart");
    assert!(client.answer().starts_with("HTTP/1.1 403 Forbidden\r\n"));
    client.send("restGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let (answer, in_order) = client.rest();
    assert!(in_order && answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
    drop(rig);
    thread.join().unwrap();
}

fn cut_short() {
    let long = "x".repeat(2_000_000);
    let chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf".to_string();
    // What a client of HTTP/1.0 gets has no length, so that only a reset tells it from a whole one.
    for (version, answer, declared) in [
        ("1.1", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_string(), true),
        ("1.1", chunk.clone(), true),
        ("1.0", chunk, false),
        ("1.1", format!("HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n{long}"), true),
    ] {
        let sent = answer.len();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            use std::io::{Read, Write};
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1000]).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let rig = Rig::new(Draft::to(address).finish());
        let mut client = Client::new(rig.address);
        client.send(format!("GET / HTTP/{version}\r\nHost: a\r\n\r\n"));
        let (got, in_order) = client.rest();
        assert_eq!(in_order, declared, "{got:.200}");
        if in_order {
            assert!(got.len() >= sent && !got.ends_with("0\r\n\r\n"), "all of it: {got:.200}");
        }
        thread.join().unwrap();
    }
}

fn silence() {
    let origin = Origin::new(|_, _| Act::Silence);
    let rig = impatient(&origin);
    let mut client = Client::new(rig.address);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.answer().starts_with("HTTP/1.1 504 Gateway Timeout\r\n"));
}

fn websocket() {
    let origin = Origin::new(|_, _| {
        Act::Echo(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly"
                .to_vec(),
        )
    });
    let rig = rig(&origin);
    let mut client = Client::new(rig.address);
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n");
    let want = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly";
    assert_eq!(String::from_utf8(client.bytes(want.len())).unwrap(), want);
    for word in ["one", "two"] {
        client.send(word);
        assert_eq!(client.bytes(3), word.as_bytes());
    }
    client.finish_sending();
    assert_eq!(client.rest(), (String::new(), true));
    assert!(origin.seen()[0].contains("Connection: Upgrade\r\nUpgrade: websocket\r\n"));
}

fn hints() {
    let origin = Origin::new(|_, _| {
        Act::Send([&b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"[..], &ok("done")].concat())
    });
    let rig = rig(&origin);
    let ask = |version: &str| {
        send(rig.address, format!("GET / HTTP/{version}\r\nHost: a\r\nConnection: close\r\n\r\n"))
    };
    let (new, old) = (ask("1.1"), ask("1.0"));
    assert!(
        new.starts_with("HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\nHTTP/1.1 200 "),
        "{new}"
    );
    assert!(old.starts_with("HTTP/1.1 200 ") && old.ends_with("done"), "{old}");
}

fn old_clients() {
    let origin = Origin::new(|_, _| {
        Act::Send(
            b"HTTP/1.1 200 OK\r\nDate: then\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
                .to_vec(),
        )
    });
    let rig = rig(&origin);
    let answer = send(rig.address, "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(answer, "HTTP/1.1 200 OK\r\nDate: then\r\nVia: 1.1 weir\r\nConnection: close\r\n\r\nabc");
}

fn old_and_kept() {
    let origin = Origin::fixed();
    let rig = rig(&origin);
    let mut client = Client::new(rig.address);
    for _ in 0..3 {
        client.send("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
        let want = "HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 5\r\nVia: 1.1 weir\r\nConnection: keep-alive\r\n\r\nhello";
        assert_eq!(client.answer(), want);
    }
    client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    let (last, in_order) = client.rest();
    assert!(in_order && last.ends_with("Connection: close\r\n\r\nhello"), "{last}");
    assert_eq!((rig.count(Count::Accepted), origin.connections()), (1, 1));
}

fn too_large() {
    let origin = Origin::fixed();
    let mut draft = Draft::to(origin.address);
    draft.listener.limits.body_bytes_max = Some(4);
    let rig = Rig::new(draft.finish());
    let length = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    assert!(send(rig.address, length).starts_with("HTTP/1.1 413 "));
    let chunks = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    assert!(send(rig.address, chunks).starts_with("HTTP/1.1 413 "));
    assert!(origin.seen().is_empty());
}
