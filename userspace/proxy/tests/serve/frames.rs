//! Part C of the attacks, and what h2spec asks for: frames made by hand, one broken rule at a time. Each ends its stream or
//! its connection with a code that fits, nothing of it is forwarded, and others are served.
use crate::Test;
use crate::origin::Origin;
use crate::plans::Draft;
use crate::rig::Rig;
use crate::wire::{
    COMPRESSION, CONTINUATION, DATA, FLOW_CONTROL, FRAME_SIZE, GOAWAY, HEADERS, PING, PRIORITY, PROTOCOL,
    PUSH_PROMISE, Peer, RST_STREAM, SETTINGS, STREAM_CLOSED, WINDOW_UPDATE, block, frame, get, headers,
    literal,
};
use weir_plan::listener::{Protocols, Service};

pub const TESTS: &[Test] = &[
    ("c11_c12_c13_malformed_requests_are_refused_and_nothing_is_forwarded", malformed),
    ("c15_broken_connections_are_ended_with_a_code", broken),
    ("c15_broken_streams_are_reset_and_the_connection_lives", reset),
    ("c15_what_is_allowed_is_served", allowed),
    ("c15_a_wrong_preface_is_no_connection", preface),
];

fn rig(origin: &Origin) -> Rig {
    let mut draft = Draft::to(origin.address);
    draft.listener.service = Service::Http(Protocols { http1: true, http2: true });
    Rig::new(draft.finish())
}

/// A field block of literals.
fn fields(list: &[(&str, &str)]) -> Vec<u8> {
    list.iter().flat_map(|(name, value)| literal(name.as_bytes(), value.as_bytes())).collect()
}

/// A whole request with these fields behind `GET http://a/`.
fn with(list: &[(&str, &str)]) -> Vec<u8> {
    headers(5, 1, &[block(), fields(list)].concat())
}

/// A whole request with exactly these fields.
fn only(list: &[(&str, &str)]) -> Vec<u8> {
    headers(5, 1, &fields(list))
}

fn request(method: &str, scheme: &str, path: &str) -> Vec<u8> {
    only(&[(":method", method), (":scheme", scheme), (":authority", "a"), (":path", path)])
}

/// How a connection answers: the status of a head, or the code of a reset or of a farewell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Status(u16),
    Reset(u32),
    Farewell(u32),
    Nothing,
}

/// What is said first about what was sent.
fn say(rig: &Rig, bytes: &[u8]) -> (Peer, Said) {
    let mut peer = Peer::new(rig.address);
    let _ = peer.try_send(bytes);
    let said = listen(&mut peer);
    (peer, said)
}

fn listen(peer: &mut Peer) -> Said {
    let mut said = Said::Nothing;
    let code = |payload: &[u8], at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
    peer.receives(|kind, _, payload| {
        said = match kind {
            HEADERS => Said::Status(status(payload)),
            RST_STREAM => Said::Reset(code(payload, 0)),
            GOAWAY => Said::Farewell(code(payload, 4)),
            _ => return false,
        };
        true
    });
    said
}

/// The status is the first field of an answer: from the static table, or a literal with its name from there.
fn status(block: &[u8]) -> u16 {
    let literal = |from: usize| {
        let length = usize::from(block[from] & 0x7f);
        // Digits are shorter by Huffman's code: 200 is the only one that tests read as a number.
        if block[from] & 0x80 == 0 {
            String::from_utf8_lossy(&block[from + 1..=from + length]).parse().unwrap()
        } else {
            1
        }
    };
    match block[0] {
        0x88 => 200,
        0x89 => 204,
        0x8b => 304,
        0x8c => 400,
        0x8d => 404,
        0x8e => 500,
        0x48 | 0x08 | 0x18 => literal(1),
        _ => 1,
    }
}

fn malformed() {
    let origin = Origin::fixed();
    let rig = rig(&origin);
    let get = |rest: &[(&str, &str)]| with(rest);
    let post = |rest: &[(&str, &str)]| {
        let own = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
        headers(4, 1, &fields(&[&own[..], rest].concat()))
    };
    let data = |flags: u8, bytes: &[u8]| frame(DATA, flags, 1, bytes);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("C11 te", get(&[("transfer-encoding", "chunked")])),
        ("C11 length 0 and a body", [post(&[("content-length", "0")]), data(1, b"hello")].concat()),
        ("C11 length too short", [post(&[("content-length", "3")]), data(1, b"hello")].concat()),
        ("C11 length too long", [post(&[("content-length", "9")]), data(1, b"hello")].concat()),
        (
            "C11 two lengths",
            [post(&[("content-length", "5"), ("content-length", "6")]), data(1, b"hello")].concat(),
        ),
        ("B31 connection", get(&[("connection", "close")])),
        ("B31 keep-alive", get(&[("keep-alive", "5")])),
        ("B31 proxy-connection", get(&[("proxy-connection", "close")])),
        ("B31 upgrade", get(&[("upgrade", "websocket")])),
        ("B31 te", get(&[("te", "gzip")])),
        ("C12 upper case", get(&[("X-A", "b")])),
        ("C12 line in a name", get(&[("x-a\r\nx-b", "b")])),
        ("C12 NUL in a name", get(&[("x\0a", "b")])),
        ("C12 colon in a name", get(&[("x:a", "b")])),
        ("C12 space in a name", get(&[("x a", "b")])),
        ("C12 no name", get(&[("", "b")])),
        ("C12 line in a value", get(&[("x-a", "b\r\nTransfer-Encoding: chunked")])),
        ("C12 CR in a value", get(&[("x-a", "b\rc")])),
        ("C12 LF in a value", get(&[("x-a", "b\nc")])),
        ("C12 NUL in a value", get(&[("x-a", "b\0c")])),
        ("C13 method twice", get(&[(":method", "GET")])),
        ("C13 path twice", get(&[(":path", "/b")])),
        ("C13 after a field", only(&[(":method", "GET"), ("x-a", "b"), (":scheme", "http"), (":path", "/")])),
        ("C13 unknown", get(&[(":what", "b")])),
        ("C13 of an answer", get(&[(":status", "200")])),
        ("C13 no method", only(&[(":scheme", "http"), (":authority", "a"), (":path", "/")])),
        ("C13 no scheme", only(&[(":method", "GET"), (":authority", "a"), (":path", "/")])),
        ("C13 no path", only(&[(":method", "GET"), (":scheme", "http"), (":authority", "a")])),
        ("C13 empty path", request("GET", "http", "")),
        ("C13 space in the path", request("GET", "http", "/a b")),
        ("C13 line in the path", request("GET", "http", "/a\r\nb")),
        ("C13 absolute path", request("GET", "http", "http://b/")),
        ("C13 path without a slash", request("GET", "http", "a")),
        ("C13 star", request("GET", "http", "*")),
        ("C13 method of two words", request("G ET", "http", "/")),
        ("C13 scheme", request("GET", "ht tp", "/")),
        ("B3 host differs", get(&[("host", "evil")])),
        ("C13 no host", only(&[(":method", "GET"), (":scheme", "http"), (":path", "/")])),
        ("C14 protocol without CONNECT", get(&[(":protocol", "websocket")])),
        ("C9 no such entry", headers(5, 1, &[0x80 | 0x7f, 0x20])),
        ("C17 trailers that do not end", [post(&[]), headers(4, 1, &fields(&[("x", "y")]))].concat()),
    ];
    for (name, bytes) in cases {
        let (_, said) = say(&rig, &bytes);
        let refused = matches!(
            said,
            Said::Status(400) | Said::Reset(PROTOCOL) | Said::Farewell(PROTOCOL | COMPRESSION)
        );
        assert!(refused, "{name}: {said:?}");
        // Who says that no body follows may be believed before one comes; of that body nothing goes on.
        let bare = "POST / HTTP/1.1\r\ncontent-length: 0\r\nHost: a\r\nVia: 2 weir\r\n\r\n";
        let forwarded: Vec<String> = origin.seen().into_iter().filter(|seen| seen != bare).collect();
        assert_eq!(forwarded, Vec::<String>::new(), "{name}: forwarded");
    }
}

/// The code that the RFC names, or the one that fits all errors.
fn fits(code: u32, codes: &[u32]) -> bool {
    code == PROTOCOL || codes.contains(&code)
}

fn broken() {
    let origin = Origin::fixed();
    let rig = rig(&origin);
    let setting =
        |id: u16, value: u32| frame(SETTINGS, 0, 0, &[&id.to_be_bytes()[..], &value.to_be_bytes()].concat());
    let cases: Vec<(&str, Vec<u8>, &[u32])> = vec![
        ("4.2 a frame longer than allowed", frame(DATA, 0, 1, &[0; 16_385]), &[FRAME_SIZE]),
        ("4.2 a long head", frame(HEADERS, 5, 1, &[0; 16_385]), &[FRAME_SIZE]),
        ("4.3 a broken block", headers(5, 1, &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), &[COMPRESSION]),
        ("5.1 data on an idle stream", frame(DATA, 1, 1, b"x"), &[PROTOCOL, STREAM_CLOSED]),
        ("5.1 a reset of an idle stream", frame(RST_STREAM, 0, 1, &[0; 4]), &[PROTOCOL]),
        ("5.1 a window for an idle stream", frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]), &[PROTOCOL]),
        ("5.1 a continuation of nothing", frame(CONTINUATION, 4, 1, &block()), &[PROTOCOL]),
        ("5.1.1 an even stream", get(2), &[PROTOCOL]),
        ("5.1.1 streams that go backwards", [get(5), get(3)].concat(), &[PROTOCOL, STREAM_CLOSED]),
        ("6.1 data on no stream", frame(DATA, 1, 0, b"x"), &[PROTOCOL]),
        (
            "6.1 padding beyond the frame",
            [headers(4, 1, &block()), frame(DATA, 9, 1, &[9, 0])].concat(),
            &[PROTOCOL],
        ),
        ("6.2 a head on no stream", headers(5, 0, &block()), &[PROTOCOL]),
        ("6.2 a head within a head", [headers(0, 1, &block()), get(3)].concat(), &[PROTOCOL]),
        (
            "6.2 a ping within a head",
            [headers(0, 1, &block()), frame(PING, 0, 0, &[0; 8])].concat(),
            &[PROTOCOL],
        ),
        (
            "6.2 a continuation of another",
            [headers(0, 1, &block()), frame(CONTINUATION, 4, 3, &[])].concat(),
            &[PROTOCOL],
        ),
        ("6.3 a priority on no stream", frame(PRIORITY, 0, 0, &[0; 5]), &[PROTOCOL]),
        ("6.4 a reset on no stream", frame(RST_STREAM, 0, 0, &[0; 4]), &[PROTOCOL]),
        (
            "6.4 a reset of three bytes",
            [headers(4, 1, &block()), frame(RST_STREAM, 0, 1, &[0; 3])].concat(),
            &[FRAME_SIZE],
        ),
        ("6.5 settings on a stream", frame(SETTINGS, 0, 1, &[]), &[PROTOCOL]),
        ("6.5 an answer with settings", frame(SETTINGS, 1, 0, &[0; 6]), &[FRAME_SIZE]),
        ("6.5 settings of five bytes", frame(SETTINGS, 0, 0, &[0; 5]), &[FRAME_SIZE]),
        ("6.5.2 a window of 2^31", setting(4, 1 << 31), &[FLOW_CONTROL]),
        ("6.5.2 frames of 100 bytes", setting(5, 100), &[PROTOCOL]),
        ("6.5.2 frames of 2^24", setting(5, 1 << 24), &[PROTOCOL]),
        ("6.5.2 push is 2", setting(2, 2), &[PROTOCOL]),
        (
            "6.6 a promise from a client",
            frame(PUSH_PROMISE, 4, 1, &[&[0, 0, 0, 2][..], &block()].concat()),
            &[PROTOCOL],
        ),
        ("6.7 a ping on a stream", frame(PING, 0, 1, &[0; 8]), &[PROTOCOL]),
        ("6.7 a ping of seven bytes", frame(PING, 0, 0, &[0; 7]), &[FRAME_SIZE]),
        ("6.8 a farewell on a stream", frame(GOAWAY, 0, 1, &[0; 8]), &[PROTOCOL]),
        ("6.9 a window of nothing", frame(WINDOW_UPDATE, 0, 0, &[0; 4]), &[PROTOCOL]),
        ("6.9 a window of three bytes", frame(WINDOW_UPDATE, 0, 0, &[0; 3]), &[FRAME_SIZE]),
        (
            "6.9.1 a window beyond 2^31",
            frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes()),
            &[FLOW_CONTROL],
        ),
    ];
    for (name, bytes, codes) in cases {
        let (_, said) = say(&rig, &bytes);
        // A request of before may be answered first.
        let fits = matches!(said, Said::Farewell(code) | Said::Reset(code) if fits(code, codes));
        assert!(fits || said == Said::Nothing, "{name}: {said:?}");
        let mut other = Peer::new(rig.address);
        other.send(&get(1));
        assert_eq!(listen(&mut other), Said::Status(200), "{name}: others are served");
    }
}

fn reset() {
    let origin = Origin::fixed();
    let rig = rig(&origin);
    let open = || headers(4, 1, &block());
    let cases: Vec<(&str, Vec<u8>, &[u32])> = vec![
        ("6.9 a window of nothing", [open(), frame(WINDOW_UPDATE, 0, 1, &[0; 4])].concat(), &[PROTOCOL]),
        (
            "6.9.1 a window beyond 2^31",
            [open(), frame(WINDOW_UPDATE, 0, 1, &0x7fff_ffff_u32.to_be_bytes())].concat(),
            &[FLOW_CONTROL],
        ),
        (
            "5.3.1 it depends on itself",
            headers(5 | 0x20, 1, &[&[0, 0, 0, 1, 9][..], &block()].concat()),
            &[PROTOCOL],
        ),
        ("6.3 a priority of four bytes", [open(), frame(PRIORITY, 0, 1, &[0; 4])].concat(), &[FRAME_SIZE]),
    ];
    for (name, bytes, codes) in cases {
        let (mut peer, said) = say(&rig, &bytes);
        match said {
            Said::Reset(code) if fits(code, codes) => {
                peer.send(&get(3));
                assert_eq!(listen(&mut peer), Said::Status(200), "{name}: other streams are served");
            }
            // RFC 9113, section 5.4.2: a stream error may be treated as one of the connection.
            Said::Farewell(code) if fits(code, codes) => {}
            _ => panic!("{name}: {said:?}"),
        }
    }
}

fn allowed() {
    let origin = Origin::fixed();
    let rig = rig(&origin);
    let (front, back) = (block()[..3].to_vec(), block()[3..].to_vec());
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("4.1 an unknown frame", [frame(0xbb, 0xff, 0, b"what"), get(1)].concat()),
        ("4.1 unknown flags", [frame(PING, 0xfe, 0, &[0; 8]), get(1)].concat()),
        ("6.1 padding", [headers(4, 1, &block()), frame(DATA, 9, 1, &[3, b'x', 0, 0, 0])].concat()),
        ("6.2 a head with a priority", headers(5 | 0x20, 1, &[&[0, 0, 0, 0, 9][..], &block()].concat())),
        ("6.3 a priority for an idle stream", [frame(PRIORITY, 0, 7, &[0, 0, 0, 0, 9]), get(1)].concat()),
        ("6.5 an unknown setting", [frame(SETTINGS, 0, 0, &[0, 0x99, 0, 0, 0, 1]), get(1)].concat()),
        ("6.9 windows", [frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]), get(1)].concat()),
        (
            "6.10 a head in pieces",
            [headers(1, 1, &front), frame(CONTINUATION, 0, 1, &[]), frame(CONTINUATION, 4, 1, &back)]
                .concat(),
        ),
        ("8.1 trailers", [headers(4, 1, &block()), headers(5, 1, &fields(&[("x", "y")]))].concat()),
        ("8.2.2 te: trailers", with(&[("te", "trailers")])),
        ("8.3.1 the same host", with(&[("host", "a")])),
    ];
    for (name, bytes) in cases {
        let (_, said) = say(&rig, &bytes);
        assert_eq!(said, Said::Status(200), "{name}");
    }
}

fn preface() {
    let origin = Origin::fixed();
    let rig = rig(&origin);
    for wrong in
        ["PRI * HTTP/2.0\r\n\r\nSM\r\n\rX", "PRI / HTTP/2.0\r\n\r\nSM\r\n\r\n", "PRI * HTTP/1.1\r\n\r\n"]
    {
        let said = crate::client::send(rig.address, wrong);
        assert!(said.starts_with("HTTP/1.1 ") && !said.starts_with("HTTP/1.1 200"), "{wrong:?}: {said:?}");
    }
    assert!(origin.seen().is_empty());
}
