//! WebSocket (RFC 6455): a client that has each message echoed, and the origin's echo.

use super::endpoint::Endpoint;
use super::wire::Wire;
use crate::measure::Fault;
use bytes::Bytes;
use tokio_uring::buf::BoundedBuf;
use tokio_uring::net::TcpStream;

/// RFC 6455 section 4.1 lets a client send any 16 bytes; the answer to these is known.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// What makes a request ask for a WebSocket; the key stands in it.
pub(crate) const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// Each message carries so much; RFC 6455 section 5.2 has a short form of the length up to 125.
const PAYLOAD: usize = 64;
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// One upgraded connection.
pub(crate) struct Client {
    wire: Wire,
    message: Bytes,
    echo: Vec<u8>,
}

impl Client {
    /// Connects and upgrades, by a head that asks for it.
    pub(crate) async fn open(endpoint: &Endpoint, head: Bytes) -> Result<Self, Fault> {
        let mut wire = endpoint.open().await?;
        let mut got = wire.ask(head, &Bytes::new()).await?.to_vec();
        while super::answer::find(&got, b"\r\n\r\n").is_none() {
            let more = wire.recv().await?;
            if more.is_empty() || got.len() > 64 << 10 {
                return Err(Fault::Closed);
            }
            got.extend_from_slice(more);
        }
        let text = String::from_utf8_lossy(&got);
        let status = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        match status.ok_or(Fault::Protocol)? {
            101 if text.contains(ACCEPT) => {}
            101 => return Err(Fault::Header),
            other => return Err(Fault::Status(other)),
        }
        let payload = crate::origin::pattern::bytes(PAYLOAD as u64);
        Ok(Self { wire, message: frame(&payload, Some(MASK)).into(), echo: frame(&payload, None) })
    }

    /// Sends a message and waits for its echo.
    pub(crate) async fn exchange(&mut self) -> Result<u64, Fault> {
        let mut seen = 0;
        let mut bytes = self.wire.ask(self.message.clone(), &Bytes::new()).await?;
        loop {
            if bytes.is_empty() {
                return Err(Fault::Closed);
            }
            if self.echo.get(seen..seen + bytes.len()) != Some(bytes) {
                return Err(Fault::Body);
            }
            seen += bytes.len();
            if seen == self.echo.len() {
                return Ok(seen as u64);
            }
            bytes = self.wire.recv().await?;
        }
    }
}

/// One whole binary message of at most 125 bytes.
fn frame(payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let length = u8::try_from(payload.len().min(125)).unwrap_or(125);
    let mut frame = vec![0x82, length | if mask.is_some() { 0x80 } else { 0 }];
    match mask {
        None => frame.extend_from_slice(payload),
        Some(mask) => {
            frame.extend(mask);
            frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        }
    }
    frame
}

/// The origin's side: upgrades, and sends every message back without its mask. Knows only the key and the messages of the client above.
pub(crate) async fn echo(stream: TcpStream, key: &str) {
    if key != KEY {
        return;
    }
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
    );
    if stream.write_all(head.into_bytes()).await.0.is_err() {
        return;
    }
    let payload = crate::origin::pattern::bytes(PAYLOAD as u64);
    let (asked, answer) = (frame(&payload, Some(MASK)), Bytes::from(frame(&payload, None)));
    let mut space = vec![0; asked.len()];
    let mut filled = 0;
    loop {
        let (read, slice) = stream.read(space.slice(filled..asked.len())).await;
        space = slice.into_inner();
        filled += match read {
            Ok(0) | Err(_) => return,
            Ok(read) => read,
        };
        if filled < asked.len() {
            continue;
        }
        if space != asked || stream.write_all(answer.clone()).await.0.is_err() {
            return;
        }
        filled = 0;
    }
}
