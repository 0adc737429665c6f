//! Targets that break the rules of HTTP/2. What is wrong with a stream ends the stream, what is wrong with the connection
//! ends that; the client is told either way, and the next request is served.
use crate::Test;
use crate::client::{Client, send};
use crate::upstream2::{get, to, wait};
use crate::wire::{
    CALM, CANCEL, COMPRESSION, FLOW_CONTROL, FRAME_SIZE, GOAWAY, PROTOCOL, RST_STREAM, frame, headers,
    literal,
};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use weir_meter::Count;

pub const TESTS: &[Test] = &[
    ("h2_upstream_errors_of_a_stream_end_the_stream", of_streams),
    ("h2_upstream_errors_of_a_connection_end_it", of_connections),
    ("h2_upstream_answers_that_lie_about_their_length_are_cut", lies),
    ("h2_upstream_floods_end_the_connection", floods),
    ("h2_upstream_interim_answers_have_a_bound", interims),
    ("h2_upstream_padding_priority_and_long_heads_are_read", odd_but_right),
];

/// A request after which the connection ends.
const LAST: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// What the target says to the first request, whose stream it is given.
type Script = fn(u32) -> Vec<u8>;

/// A target that follows its script for the first request and answers all others with 204.
struct Target {
    address: SocketAddr,
    /// What it was told: kinds of frames that end something, with their codes.
    told: Arc<Mutex<Vec<(u8, u32)>>>,
}

impl Target {
    fn new(script: Script) -> Target {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, told) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<_>>>::default());
        let target = Target { address, told: Arc::clone(&told) };
        std::thread::spawn(move || {
            let mut script = Some(script);
            for stream in listener.incoming() {
                serve(&mut stream.unwrap(), &mut script, &told);
            }
        });
        target
    }

    fn was_told(&self, kind: u8, code: u32) -> bool {
        self.told.lock().unwrap().contains(&(kind, code))
    }
}

/// Serves one connection until its end.
fn serve(stream: &mut TcpStream, script: &mut Option<Script>, told: &Mutex<Vec<(u8, u32)>>) -> Option<()> {
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).ok()?;
    stream.write_all(&frame(4, 0, 0, &[])).ok()?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut payload).ok()?;
        let id = u32::from_be_bytes(head[5..].try_into().unwrap());
        let code = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
        match head[3] {
            1 => {
                let answer = script.take().map_or_else(|| headers(5, id, &[0x89]), |script| script(id));
                // The connection may be ended in the middle of a flood; what was told is still to be read.
                let _ = stream.write_all(&answer);
            }
            RST_STREAM => told.lock().unwrap().push((RST_STREAM, code(0))),
            GOAWAY => told.lock().unwrap().push((GOAWAY, code(4))),
            _ => {}
        }
    }
}

/// One request that meets the script, and one after it.
fn check(name: &str, script: Script, (kind, code): (u8, u32)) {
    let target = Target::new(script);
    let rig = to(target.address, |_| {});
    let mut client = Client::new(rig.address);
    client.send(get("/"));
    let answer = client.answer();
    assert!(answer.starts_with("HTTP/1.1 502 "), "{name}: {answer}");
    wait(|| target.was_told(kind, code));
    let mut client = Client::new(rig.address);
    client.send(get("/"));
    assert!(client.answer().starts_with("HTTP/1.1 204 "), "{name}");
    let connections = if kind == GOAWAY { 2 } else { 1 };
    assert_eq!(rig.count(Count::UpstreamOpened), connections, "{name}");
}

/// A literal field without a number of its own.
fn field(name: &str, value: &str) -> Vec<u8> {
    literal(name.as_bytes(), value.as_bytes())
}

fn of_streams() {
    let cases: &[(&str, Script)] = &[
        ("no status", |id| headers(5, id, &field("a", "b"))),
        ("two", |id| headers(5, id, &[0x88, 0x88])),
        ("a status after a field", |id| headers(5, id, &[field("a", "b"), vec![0x88]].concat())),
        ("a pseudo-field of requests", |id| headers(5, id, &[0x88, 0x82])),
        ("a change of protocol", |id| headers(4, id, &field(":status", "101"))),
        ("an interim answer that ends the stream", |id| headers(5, id, &field(":status", "103"))),
        ("upper case", |id| headers(5, id, &[vec![0x88], field("A", "b")].concat())),
        ("white space", |id| headers(5, id, &[vec![0x88], field("a", " b")].concat())),
        ("a line end", |id| headers(5, id, &[vec![0x88], field("a", "b\r\nc: d")].concat())),
        ("a field of the connection", |id| {
            headers(5, id, &[vec![0x88], field("connection", "close")].concat())
        }),
        ("a coding", |id| headers(4, id, &[vec![0x88], field("transfer-encoding", "chunked")].concat())),
        ("two lengths", |id| {
            let length = field("content-length", "1");
            headers(4, id, &[vec![0x88], length.clone(), length].concat())
        }),
        ("a body that is missing", |id| headers(5, id, &[vec![0x88], field("content-length", "1")].concat())),
        ("a body without a head", |id| frame(0, 1, id, b"hello")),
        ("a window that is opened by nothing", |id| frame(8, 0, id, &[0; 4])),
    ];
    for (name, script) in cases {
        check(name, *script, (RST_STREAM, PROTOCOL));
    }
    check(
        "a window beyond all bounds",
        |id| frame(8, 0, id, &[0x7f, 0xff, 0xff, 0xff]),
        (RST_STREAM, FLOW_CONTROL),
    );
}

fn of_connections() {
    let cases: &[(&str, u32, Script)] = &[
        ("a frame that is too long", FRAME_SIZE, |_| vec![0, 0x40, 1, 0, 0, 0, 0, 0, 1]),
        ("a head that cannot be read", COMPRESSION, |id| headers(5, id, &[0xbe])),
        ("a table that is too large", COMPRESSION, |id| headers(5, id, &[0x3f, 0xe2, 0x1f, 0x88])),
        ("a push", PROTOCOL, |id| frame(5, 4, id, &[0, 0, 0, 2, 0x82, 0x86, 0x84, 1, 1, b'a'])),
        ("data of a stream that nobody began", PROTOCOL, |id| frame(0, 1, id + 2, b"x")),
        ("a head of a stream that nobody began", PROTOCOL, |id| headers(5, id + 2, &[0x88])),
        ("a stream of the target's own", PROTOCOL, |_| headers(5, 2, &[0x88])),
        ("padding that does not fit in", PROTOCOL, |id| frame(0, 8, id, &[5, 0])),
        ("a continuation of nothing", PROTOCOL, |id| frame(9, 4, id, &[0x88])),
        ("something within a head", PROTOCOL, |id| {
            [headers(1, id, &[0x88]), frame(6, 0, 0, &[0; 8])].concat()
        }),
        ("settings of a stream", PROTOCOL, |id| frame(4, 0, id, &[])),
        ("settings that are cut", FRAME_SIZE, |_| frame(4, 0, 0, &[0; 5])),
        ("a window that is too large", FLOW_CONTROL, |_| frame(4, 0, 0, &[0, 4, 0xff, 0xff, 0xff, 0xff])),
        ("a ping of seven bytes", FRAME_SIZE, |_| frame(6, 0, 0, &[0; 7])),
        ("a window that is opened by nothing", PROTOCOL, |_| frame(8, 0, 0, &[0; 4])),
        ("a window beyond all bounds", FLOW_CONTROL, |_| frame(8, 0, 0, &[0x7f, 0xff, 0xff, 0xff])),
        ("a reset of three bytes", FRAME_SIZE, |id| frame(3, 0, id, &[0; 3])),
        ("a farewell of three bytes", FRAME_SIZE, |_| frame(7, 0, 0, &[0; 3])),
        ("a head without end", CALM, |id| {
            let more = (0..200).map(|_| frame(9, 0, id, &[0; 1000]));
            [headers(0, id, &[0x88])].into_iter().chain(more).flatten().collect()
        }),
    ];
    for (name, code, script) in cases {
        check(name, *script, (GOAWAY, *code));
    }
}

/// The head may be on its way to the client before it shows; then the client must notice that something is missing.
fn lies() {
    let cases: &[Script] = &[
        |id| {
            [headers(4, id, &[vec![0x88], field("content-length", "9")].concat()), frame(0, 1, id, b"hello")]
                .concat()
        },
        |id| {
            [headers(4, id, &[vec![0x88], field("content-length", "3")].concat()), frame(0, 1, id, b"hello")]
                .concat()
        },
        // Trailers that do not end the stream.
        |id| [headers(4, id, &[0x88]), headers(4, id, &field("etag", "x"))].concat(),
    ];
    for script in cases {
        let target = Target::new(*script);
        let rig = to(target.address, |_| {});
        let answer = send(rig.address, LAST);
        let is_whole = answer.ends_with("hello") && answer.contains("Content-Length: 5")
            || answer.ends_with("\r\n0\r\n\r\n")
            || answer.ends_with("\r\n\r\nhel");
        assert!(!is_whole, "{answer}");
        wait(|| target.was_told(RST_STREAM, PROTOCOL));
    }
}

fn floods() {
    let cases: &[(&str, Script)] = &[
        ("pings", |_| frame(6, 0, 0, &[7; 8]).repeat(10_000)),
        ("settings", |_| frame(4, 0, 0, &[]).repeat(10_000)),
        ("windows", |_| frame(8, 0, 0, &[0, 0, 0, 1]).repeat(10_000)),
        ("priorities", |id| frame(2, 0, id, &[0, 0, 0, 0, 1]).repeat(10_000)),
        ("frames of no known kind", |_| frame(0xbb, 0, 0, b"what").repeat(10_000)),
        ("farewells", |_| frame(7, 0, 0, &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]).repeat(10_000)),
        ("empty data", |id| [headers(4, id, &[0x88]), frame(0, 0, id, &[]).repeat(10_000)].concat()),
        ("heads that nobody waits for", |id| {
            [frame(3, 0, id, &[0, 0, 0, 2]), headers(4, id, &[0x88]).repeat(10_000)].concat()
        }),
    ];
    for (name, script) in cases {
        let target = Target::new(*script);
        let rig = to(target.address, |_| {});
        let answer = send(rig.address, LAST);
        assert!(!answer.ends_with("0\r\n\r\n"), "{name}: {answer}");
        wait(|| target.was_told(GOAWAY, CALM));
        let mut client = Client::new(rig.address);
        client.send(get("/"));
        assert!(client.answer().starts_with("HTTP/1.1 204 "), "{name}");
    }
}

/// Sixteen are passed on, and a target that sends more is not waited for.
fn interims() {
    let cases: [Script; 2] = [
        |id| headers(4, id, &field(":status", "103")).repeat(17),
        |id| headers(4, id, &field(":status", "103")).repeat(200),
    ];
    for script in cases {
        let target = Target::new(script);
        let rig = to(target.address, |_| {});
        let answer = send(rig.address, LAST);
        assert!(answer.contains("HTTP/1.1 502 "), "{answer}");
        assert!(answer.matches("HTTP/1.1 103 ").count() <= 16, "{answer}");
        wait(|| target.was_told(RST_STREAM, CANCEL) || target.was_told(RST_STREAM, PROTOCOL));
    }
}

fn odd_but_right() {
    let script: Script = |id| {
        let long = field("x-long", &"v".repeat(100)).repeat(100);
        let block = [vec![0x88], long, field("content-length", "5")].concat();
        let (first, rest) = block.split_at(4000);
        let (second, third) = rest.split_at(5000);
        let padded = [&[2][..], &[0, 0, 0, 0, 9], first, &[0, 0]].concat();
        [
            headers(4, id, &field(":status", "103")),
            frame(1, 8 | 0x20, id, &padded),
            frame(9, 0, id, second),
            frame(9, 4, id, third),
            frame(0xbb, 0xff, id, b"unknown"),
            frame(0, 8, id, b"\x03he\0\0\0"),
            frame(0, 0, id, b"llo"),
            frame(0, 1, id, b""),
        ]
        .concat()
    };
    let target = Target::new(script);
    let rig = to(target.address, |_| {});
    let answer = send(rig.address, LAST);
    assert!(answer.starts_with("HTTP/1.1 103 ") && answer.ends_with("hello"), "{answer}");
    assert_eq!(answer.matches("x-long: vvv").count(), 100);
    assert!(target.told.lock().unwrap().is_empty());
}
