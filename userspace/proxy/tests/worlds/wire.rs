//! HTTP/1 as both ends of a world speak it: simple, and nothing of the proxy's own code.
use weir_reactor::Stream;

/// A connection and what was received on it and not used.
pub struct Wire {
    pub stream: Stream,
    buffer: Vec<u8>,
}

impl Wire {
    pub fn new(stream: Stream) -> Wire {
        Wire { stream, buffer: Vec::new() }
    }

    /// Sends all of it; whether that succeeded.
    pub async fn send(&self, bytes: Vec<u8>) -> bool {
        self.stream.send(bytes).await.0.is_ok()
    }

    async fn more(&mut self) -> Option<()> {
        let news = self.stream.recv().await.ok()??;
        self.buffer.extend_from_slice(&news);
        Some(())
    }

    async fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < count {
            self.more().await?;
        }
        Some(self.buffer.drain(..count).collect())
    }

    async fn until(&mut self, end: &[u8]) -> Option<String> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end) {
                let text = self.buffer.drain(..at + end.len()).collect();
                return String::from_utf8(text).ok();
            }
            self.more().await?;
        }
    }

    /// The next head, in lower case but for its first line.
    pub async fn head(&mut self) -> Option<String> {
        let head = self.until(b"\r\n\r\n").await?;
        let (first, rest) = head.split_once("\r\n")?;
        Some(format!("{first}\r\n{}", rest.to_ascii_lowercase()))
    }

    /// The body of the message with this head; nothing if it stops in the middle.
    pub async fn body(&mut self, head: &str) -> Option<Vec<u8>> {
        if field(head, "transfer-encoding").is_none() {
            let length = field(head, "content-length").map_or(0, |length| length.parse().unwrap());
            return self.exactly(length).await;
        }
        let mut body = Vec::new();
        loop {
            let line = self.until(b"\r\n").await?;
            let size = usize::from_str_radix(line.trim_end(), 16).unwrap();
            body.extend(self.exactly(size).await?);
            self.exactly(2).await?;
            if size == 0 {
                return Some(body);
            }
        }
    }
}

pub fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let value = |line: &'h str| line.strip_prefix(name)?.strip_prefix(':').map(str::trim);
    head.lines().find_map(value)
}

/// Bytes as chunks of this size.
pub fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in body.chunks(size) {
        out.extend(format!("{:x}\r\n", piece.len()).into_bytes());
        out.extend(piece);
        out.extend(b"\r\n");
    }
    out.extend(b"0\r\n\r\n");
    out
}
