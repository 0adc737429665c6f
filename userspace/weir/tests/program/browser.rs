//! A browser in front: Chromium by TLS and HTTP/2, with what pages do there: requests with bodies, events, a WebSocket.

use crate::clients::{certificate, has};
use crate::process::{Weir, free_port, until};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use libtest_mimic::{Failed, Trial};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use tempfile::TempDir;

const BROWSER: &str = "chromium";

pub(crate) fn trials() -> Vec<Trial> {
    let missing: Vec<&str> = [BROWSER, "openssl"].into_iter().filter(|program| !has(program)).collect();
    if !missing.is_empty() {
        println!("skipped: the trial with a browser needs {missing:?} (Debian package chromium)");
    }
    vec![Trial::test("browser::a_page_gets_all_it_asks_for", page).with_ignored_flag(!missing.is_empty())]
}

/// Does everything, and then sends to `/report` what came of it.
const PAGE: &str = r#"<!doctype html><title>trial</title><script>
const said = {};
async function trial(name, run) {
  try { said[name] = String(await run()); } catch (error) { said[name] = 'failed: ' + error; }
}
const socket = () => new Promise((good, bad) => {
  const socket = new WebSocket('wss://' + location.host + '/chat');
  socket.onopen = () => socket.send('from the page');
  socket.onmessage = message => { socket.close(1000); socket.got = message.data; };
  socket.onclose = end => good(socket.got + ' ' + end.code);
  socket.onerror = () => bad('an error');
});
const events = () => new Promise((good, bad) => {
  const source = new EventSource('/events');
  source.onmessage = event => { source.close(); good(event.data); };
  source.onerror = () => bad('an error');
});
(async () => {
  await trial('protocol', () => performance.getEntriesByType('navigation')[0].nextHopProtocol);
  await trial('fetched', async () => (await fetch('/data')).text());
  await trial('posted', async () => (await fetch('/echo', { method: 'POST', body: 'x'.repeat(300000) })).text());
  await trial('events', events);
  await trial('socket', socket);
  await trial('refused', async () => (await fetch('/..%2f')).status);
  await fetch('/report', { method: 'POST', body: JSON.stringify(said) });
})();
</script>"#;

/// The server behind; what the page reports comes out of the channel.
fn origin(report: Sender<String>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, report) = (stream.unwrap(), report.clone());
            // A connection ends when the browser does.
            std::thread::spawn(move || drop(serve(stream, &report)));
        }
    });
    port
}

fn serve(stream: TcpStream, report: &Sender<String>) -> std::io::Result<()> {
    let (mut reader, mut writer) = (BufReader::new(stream.try_clone()?), stream);
    loop {
        let (path, fields) = head(&mut reader)?;
        let field =
            |name: &str| fields.iter().find_map(|(own, value)| (own == name).then_some(value.as_str()));
        let mut body = vec![0; field("content-length").map_or(0, |length| length.parse().unwrap())];
        reader.read_exact(&mut body)?;
        let (kind, answer) = match path.as_str() {
            "/" => ("text/html", PAGE.to_owned()),
            "/data" => ("text/plain", "what was asked for".to_owned()),
            "/echo" => ("text/plain", body.len().to_string()),
            "/events" => ("text/event-stream", "data: an event\n\n".to_owned()),
            "/chat" => return chat(field("sec-websocket-key").unwrap(), reader, writer),
            "/report" => {
                report.send(String::from_utf8(body).unwrap()).unwrap();
                ("text/plain", String::new())
            }
            _ => ("text/plain", "nothing".to_owned()),
        };
        let length = answer.len();
        write!(
            writer,
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{answer}"
        )?;
    }
}

/// Path and fields of the next request, names in lower case.
fn head(reader: &mut impl BufRead) -> std::io::Result<(String, Vec<(String, String)>)> {
    let mut line = || -> std::io::Result<String> {
        let mut line = String::new();
        let count = reader.read_line(&mut line)?;
        if count == 0 {
            Err(std::io::ErrorKind::UnexpectedEof.into())
        } else {
            Ok(line.trim_end().to_owned())
        }
    };
    let path = line()?.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut fields = Vec::new();
    loop {
        let line = line()?;
        let Some((name, value)) = line.split_once(": ") else { return Ok((path, fields)) };
        fields.push((name.to_ascii_lowercase(), value.to_owned()));
    }
}

/// RFC 6455: agrees, and sends every short frame of the page back, its farewell as well.
fn chat(key: &str, mut reader: impl Read, mut writer: TcpStream) -> std::io::Result<()> {
    let proof =
        digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes());
    write!(
        writer,
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        base64(proof.as_ref())
    )?;
    loop {
        let mut front = [0; 6];
        reader.read_exact(&mut front)?;
        let [kind, length, mask @ ..] = front;
        let mut text = vec![0; usize::from(length & 0x7f)];
        reader.read_exact(&mut text)?;
        text.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        writer.write_all(&[&[kind, length & 0x7f], &text[..]].concat())?;
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let three = |chunk: &[u8]| {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        let letter = |at: usize| match at > chunk.len() {
            true => '=',
            false => char::from(LETTERS[(bits >> (18 - 6 * at) & 63) as usize]),
        };
        (0..4).map(letter).collect::<String>()
    };
    bytes.chunks(3).map(three).collect()
}

/// A browser with a home of its own, which ends with the test.
struct Browser {
    child: Child,
    _home: TempDir,
}

impl Browser {
    fn open(url: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new(BROWSER);
        command.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ]);
        command.args(["--ignore-certificate-errors", "--host-resolver-rules=MAP edge.test 127.0.0.1"]);
        command.args(["--remote-debugging-port=0", "--disable-background-networking"]);
        command.arg(format!("--user-data-dir={}", home.path().display())).arg(url);
        command.env("HOME", home.path()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { child: command.spawn().unwrap(), _home: home }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn page() -> Result<(), Failed> {
    let (tell, told) = channel();
    let (origin, port, room) = (origin(tell), free_port(), tempfile::tempdir()?);
    certificate(room.path());
    let weir = Weir::start(&format!(
        "version: 1
shield: {{ mode: off }}
admin: {{ socket: \"{{dir}}/admin.sock\" }}
listeners:
  - bind: \"127.0.0.1:{port}\"
    tls: {{ certificate: \"{0}/cert.pem\", key: \"{0}/key.pem\", hsts: 365d }}
routes: [ {{ match: /*, upstream: origin }} ]
upstreams: {{ origin: {{ targets: [ \"127.0.0.1:{origin}\" ] }} }}
",
        room.path().display()
    ));
    let _browser = Browser::open(&format!("https://edge.test:{port}/"));
    let mut report = String::new();
    until("the page reports", || told.try_recv().map(|said| report = said).is_ok());
    let said: serde_json::Value = serde_json::from_str(&report)?;
    let expect = serde_json::json!({
        "protocol": "h2", "fetched": "what was asked for", "posted": "300000", "events": "an event",
        "socket": "from the page 1000", "refused": "400",
    });
    assert_eq!(said, expect);
    assert!(weir.ask(&["status"]).status.success());
    Ok(())
}
