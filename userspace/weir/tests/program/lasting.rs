//! What lasts longer than a configuration does: WebSockets, tunnels, idle connections, and answers without end.

use crate::process::{PATIENCE, Weir, curl, free_port, until};
use crate::reload::{Carried, echo};
use libtest_mimic::{Failed, Trial};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("lasting::what_lasts_holds_no_earlier_plan", holds_none),
        Trial::test("lasting::websockets_of_a_route_that_goes_are_told_so", route_goes),
        Trial::test("lasting::a_tunnel_to_an_upstream_that_goes_is_cut", upstream_goes),
        Trial::test("lasting::too_many_earlier_plans_end_the_oldest_exchanges", too_many),
    ]
}

/// A text of five bytes, masked with zeros.
const FRAME: &[u8] = b"\x81\x85\0\0\0\0hello";
const GOING_AWAY: [u8; 4] = [0x88, 2, 0x03, 0xe9];

/// Switches protocols and sends everything back where that is asked for; every other answer begins and does not end.
fn origin() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(|| serve(stream.unwrap()));
        }
    });
    port
}

fn serve(stream: TcpStream) {
    let (mut reader, mut writer) = (BufReader::new(stream.try_clone().unwrap()), stream);
    let (mut line, mut switches) = (String::new(), false);
    while reader.read_line(&mut line).is_ok_and(|length| length > 2) {
        switches |= line.to_ascii_lowercase().starts_with("upgrade:");
        line.clear();
    }
    let head = if switches {
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    } else {
        "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegun"
    };
    writer.write_all(head.as_bytes()).unwrap();
    // Whoever is not switched waits here until the proxy goes.
    let mut sink =
        if switches { writer } else { return drop(std::io::copy(&mut reader, &mut std::io::sink())) };
    drop(std::io::copy(&mut reader, &mut sink));
}

/// Where everything is, and how it is written.
struct Place {
    edge: u16,
    tunnel: u16,
    metrics: u16,
    http: u16,
    echo: u16,
}

impl Place {
    fn new() -> Self {
        Self { edge: free_port(), tunnel: free_port(), metrics: free_port(), http: origin(), echo: echo() }
    }

    /// Two routes to one origin, the bytes of a listener to another; `number` makes it differ from any other.
    fn text(&self, number: usize) -> String {
        let Self { edge, tunnel, metrics, http, echo } = self;
        format!(
            "version: 1
shield: {{ mode: off }}
admin: {{ socket: \"{{dir}}/admin.sock\" }}
telemetry: {{ metrics: \"127.0.0.1:{metrics}\" }}
limits: {{ drain_timeout: 2s, retired_plans: 2 }}
listeners:
  - {{ name: edge, bind: \"127.0.0.1:{edge}\", protocols: [ h2, http/1.1 ] }}
  - {{ name: carry, bind: \"127.0.0.1:{tunnel}\", tcp: echo }}
upstreams:
  http: {{ targets: [ \"127.0.0.1:{http}\" ], timeouts: {{ idle: 5m }} }}
  echo: {{ targets: [ \"127.0.0.1:{echo}\" ] }}
  spare: {{ targets: [ \"127.0.0.1:{echo}\" ] }}
routes:
  - {{ name: other, match: /other, upstream: spare }}
  - {{ name: stays, match: /stays, upstream: http }}
  - {{ name: goes, match: /goes, upstream: http }}
  - {{ name: hello, match: /*, respond: {{ body: \"{number}\" }} }}
"
        )
    }

    fn retired(&self, count: usize) -> bool {
        self.page().contains(&format!("\nweir_config_retired_plans {count}\n"))
    }

    fn page(&self) -> String {
        curl(&[&format!("http://127.0.0.1:{}/metrics", self.metrics)]).1
    }

    /// An open WebSocket over which frames go there and back.
    fn websocket(&self, path: &str) -> TcpStream {
        let mut stream = self.dial();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n"
        )
        .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        assert!(echoes(&mut stream));
        stream
    }

    fn dial(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.edge)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// An answer that has begun and does not end.
    fn endless(&self) -> BufReader<TcpStream> {
        let mut stream = self.dial();
        stream.write_all(b"GET /stays HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).unwrap();
        }
        reader.read_exact(&mut [0; 5]).unwrap();
        reader
    }
}

/// Whether a frame comes back.
fn echoes(stream: &mut TcpStream) -> bool {
    let mut back = [0; FRAME.len()];
    stream.write_all(FRAME).is_ok() && stream.read_exact(&mut back).is_ok() && back == *FRAME
}

fn take(weir: &Weir, text: &str) {
    weir.rewrite(text);
    let taken = weir.ask(&["reload", "--wait"]);
    assert!(taken.status.success(), "{taken:?}");
}

fn holds_none() -> Result<(), Failed> {
    let place = Place::new();
    let weir = Weir::start(&place.text(0));
    let (mut carried, mut websocket) = (Carried::new(place.tunnel), place.websocket("/stays"));
    assert!(carried.is_alive());
    let mut h2 = place.dial();
    h2.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")?;
    let mut settings = [0; 9];
    h2.read_exact(&mut settings)?;
    assert_eq!(settings[3], 4, "HTTP/2 is spoken");
    let mut h1 = place.dial();
    h1.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")?;
    h1.read_exact(&mut [0; 12])?;
    for number in 1..4 {
        take(&weir, &place.text(number));
    }
    until("no earlier plan is held", || place.retired(0));
    assert!(carried.is_alive() && echoes(&mut websocket), "routes that are untouched cut nobody");
    Ok(())
}

fn route_goes() -> Result<(), Failed> {
    let place = Place::new();
    let weir = Weir::start(&place.text(0));
    let (mut stays, mut goes) = (place.websocket("/stays"), place.websocket("/goes"));
    let without = place.text(1).replace("  - { name: goes, match: /goes, upstream: http }\n", "");
    take(&weir, &without);
    assert!(echoes(&mut goes), "it has time to end");
    let mut end = [0; 4];
    goes.read_exact(&mut end)?;
    assert_eq!(end, GOING_AWAY);
    until("it is cut", || goes.read(&mut end).is_ok_and(|length| length == 0));
    assert!(echoes(&mut stays));
    // A route of the same name is another route: what comes by it now stays.
    take(&weir, &place.text(2));
    assert!(echoes(&mut place.websocket("/goes")));
    take(
        &weir,
        &without.replace(
            "name: stays, match: /stays, upstream: http",
            "name: stays, match: /stays, upstream: spare",
        ),
    );
    assert!(echoes(&mut stays), "its route and its upstream are there");
    Ok(())
}

fn upstream_goes() -> Result<(), Failed> {
    let place = Place::new();
    let weir = Weir::start(&place.text(0));
    let (mut carried, mut websocket) = (Carried::new(place.tunnel), place.websocket("/stays"));
    assert!(carried.is_alive());
    let text = place.text(1).replace("tcp: echo", "tcp: spare");
    let line = format!("  echo: {{ targets: [ \"127.0.0.1:{}\" ] }}\n", place.echo);
    assert!(text.contains(&line));
    take(&weir, &text.replace(&line, ""));
    until("it is cut", || !carried.is_alive());
    assert!(Carried::new(place.tunnel).is_alive() && echoes(&mut websocket));
    Ok(())
}

fn too_many() -> Result<(), Failed> {
    let place = Place::new();
    let weir = Weir::start(&place.text(0));
    let mut answers = Vec::new();
    for number in 1..4 {
        answers.push(place.endless());
        take(&weir, &place.text(number));
    }
    let mut websocket = place.websocket("/stays");
    let mut rest = Vec::new();
    // An answer that breaks off is no whole one: the client sees its connection end before the length that was declared.
    drop(answers.remove(0).read_to_end(&mut rest));
    assert!(rest.is_empty());
    until("the oldest plan is let go", || place.retired(2));
    assert!(place.page().contains("\nweir_exchanges_overdue_total 1\n"), "{}", place.page());
    for answer in &mut answers {
        answer.get_mut().set_nonblocking(true)?;
        let waits = answer.read(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        assert!(waits, "the others go on");
    }
    assert!(echoes(&mut websocket));
    Ok(())
}
