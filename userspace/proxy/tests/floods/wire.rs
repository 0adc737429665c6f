//! HTTP/2 as bytes: frames made by hand, and a peer that sends them.
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Kinds of frames (RFC 9113, section 6).
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// Codes that say why something ends (section 7).
pub const PROTOCOL: u32 = 1;
pub const FLOW_CONTROL: u32 = 3;
pub const STREAM_CLOSED: u32 = 5;
pub const FRAME_SIZE: u32 = 6;
pub const CANCEL: u32 = 8;
pub const COMPRESSION: u32 = 9;
pub const CALM: u32 = 11;

/// A literal field, never indexed.
pub fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    [&[0, name.len() as u8], name, &[value.len() as u8], value].concat()
}

/// One frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The header block of `GET http://a/`.
pub fn block() -> Vec<u8> {
    vec![0x82, 0x86, 0x84, 0x01, 1, b'a']
}

/// A frame with header fields. Flags: 1 ends the stream, 4 the block.
pub fn headers(flags: u8, stream: u32, block: &[u8]) -> Vec<u8> {
    frame(1, flags, stream, block)
}

/// A whole request.
pub fn get(stream: u32) -> Vec<u8> {
    headers(5, stream, &block())
}

/// A client that says what it is told to.
pub struct Peer {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Peer {
    pub fn new(address: SocketAddr) -> Peer {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        stream.write_all(&frame(4, 0, 0, &[])).unwrap();
        Peer { stream, received: Vec::new() }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// False if the connection takes nothing more.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Whether the worker's socket has nothing more of what was sent, or is gone, as the kernel has it (proc_pid_net(5)).
    pub fn is_taken(&self) -> bool {
        let (Ok(own), Ok(other)) = (self.stream.local_addr(), self.stream.peer_addr()) else { return true };
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let waits = |from: SocketAddr, to: SocketAddr, queue: usize| {
            let ends = format!(" 0100007F:{:04X} 0100007F:{:04X} ", from.port(), to.port());
            let line = table.lines().find(|line| line.contains(&ends));
            let queues = line.and_then(|line| line.split_whitespace().nth(4));
            queues.and_then(|both| both.split(':').nth(queue)).is_some_and(|bytes| bytes != "00000000")
        };
        !waits(own, other, 0) && !waits(other, own, 1)
    }

    /// Whether the worker has said that it ends the connection, or has ended it.
    pub fn is_ended(&mut self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let mut ended = false;
        let mut chunk = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => ended = true,
                Ok(count) => {
                    self.received.extend_from_slice(&chunk[..count]);
                    continue;
                }
                Err(error) => ended |= error.kind() != ErrorKind::WouldBlock,
            }
            break;
        }
        self.stream.set_nonblocking(false).unwrap();
        // A GOAWAY with a reason; one without is only a farewell.
        while let Some((kind, _, payload)) = self.take() {
            ended |= kind == 7 && payload[4..8] != [0; 4];
        }
        ended
    }

    /// Reads frames until one is what is looked for; false if the connection ends before.
    pub fn receives(&mut self, mut wanted: impl FnMut(u8, u8, &[u8]) -> bool) -> bool {
        let mut chunk = [0; 16 * 1024];
        loop {
            while let Some((kind, flags, payload)) = self.take() {
                if wanted(kind, flags, &payload) {
                    return true;
                }
            }
            match self.stream.read(&mut chunk) {
                Ok(count @ 1..) => self.received.extend_from_slice(&chunk[..count]),
                _ => return false,
            }
        }
    }

    fn take(&mut self) -> Option<(u8, u8, Vec<u8>)> {
        let head: [u8; 9] = self.received.get(..9)?.try_into().unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let payload = self.received.get(9..9 + length)?.to_vec();
        self.received.drain(..9 + length);
        Some((head[3], head[4], payload))
    }
}
