//! One connection on which requests follow one another.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn new(port: u16) -> std::io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Whether a request was answered as it should be.
    pub(crate) fn ask(&mut self) -> std::io::Result<bool> {
        self.ask_for("/", b"hello")
    }

    /// The same for another path and another body.
    pub(crate) fn ask_for(&mut self, path: &str, expect: &[u8]) -> std::io::Result<bool> {
        self.0.get_mut().write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes())?;
        let (mut length, mut is_ok, mut line) = (0, false, String::new());
        loop {
            line.clear();
            if self.0.read_line(&mut line)? == 0 {
                return Ok(false);
            }
            let field = line.trim_end();
            if field.is_empty() {
                break;
            }
            is_ok |= field.starts_with("HTTP/1.1 200 ");
            if let Some(value) = field.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = value.parse().unwrap_or(0);
            }
        }
        let mut body = [0; 64];
        self.0.read_exact(&mut body[..usize::min(length, 64)])?;
        Ok(is_ok && &body[..length] == expect)
    }
}
