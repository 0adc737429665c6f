//! A client that sends exact bytes.
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// One connection.
pub struct Client {
    pub stream: TcpStream,
}

impl Client {
    pub fn new(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// One whole answer.
    pub fn answer(&mut self) -> String {
        let mut buffer = Vec::new();
        loop {
            if let Some(length) = super::origin::message_length(&buffer)
                && !buffer.starts_with(b"HTTP/1.1 1")
            {
                assert_eq!(
                    buffer.len(),
                    length,
                    "more than one answer: {:?}",
                    String::from_utf8_lossy(&buffer)
                );
                return String::from_utf8_lossy(&buffer).into_owned();
            }
            self.more(&mut buffer);
        }
    }

    /// Exactly so many bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    fn more(&mut self, buffer: &mut Vec<u8>) {
        let mut chunk = [0; 16 * 1024];
        let count = self.stream.read(&mut chunk).unwrap();
        assert_ne!(count, 0, "closed after {:?}", String::from_utf8_lossy(buffer));
        buffer.extend_from_slice(&chunk[..count]);
    }

    /// Everything up to the end, and whether the end was in good order.
    pub fn rest(&mut self) -> (String, bool) {
        let mut all = Vec::new();
        let ended = self.stream.read_to_end(&mut all);
        (String::from_utf8_lossy(&all).into_owned(), ended.is_ok())
    }

    /// Leaves by a reset, as one whose process or machine dies with data unread.
    pub fn vanish(self) {
        let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        nix::sys::socket::setsockopt(&self.stream, nix::sys::socket::sockopt::Linger, &linger).unwrap();
    }

    pub fn finish_sending(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }
}

/// Sends bytes on a new connection and returns everything that comes back.
pub fn send(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut client = Client::new(address);
    client.send(bytes);
    client.rest().0
}
