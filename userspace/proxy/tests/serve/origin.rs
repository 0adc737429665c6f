//! An origin that records what it is sent and answers by a script.
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the origin does with the n-th request of all its connections.
pub type Script = fn(usize, &[u8]) -> Act;

/// One answer.
pub enum Act {
    /// Send this and go on.
    Send(Vec<u8>),
    /// Send this after so long and go on.
    Late(Vec<u8>, Duration),
    /// Send this and close.
    Last(Vec<u8>),
    /// Read and keep silent until the peer is gone.
    Silence,
    /// Send this, then send back everything that comes.
    Echo(Vec<u8>),
}

/// An origin on a thread of its own.
pub struct Origin {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
    connections: Arc<Mutex<usize>>,
}

impl Origin {
    pub fn new(script: Script) -> Origin {
        Origin::listening(TcpListener::bind("127.0.0.1:0").unwrap(), script)
    }

    /// One at this address that answers everything alike.
    pub fn at(address: &str) -> Origin {
        Origin::listening(TcpListener::bind(address).unwrap(), |_, _| Act::Send(ok("hello")))
    }

    fn listening(listener: TcpListener, script: Script) -> Origin {
        let address = listener.local_addr().unwrap();
        let (seen, connections) = (Arc::default(), Arc::default());
        let origin = Origin { address, seen: Arc::clone(&seen), connections: Arc::clone(&connections) };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                *connections.lock().unwrap() += 1;
                let seen = Arc::clone(&seen);
                std::thread::spawn(move || serve(stream.unwrap(), &seen, script));
            }
        });
        origin
    }

    /// Answers everything with this.
    pub fn fixed() -> Origin {
        Origin::new(|_, _| Act::Send(ok("hello")))
    }

    /// Every request seen so far, as it came.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|one| String::from_utf8_lossy(one).into_owned()).collect()
    }

    pub fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

/// A plain answer, dated: what came without a date would leave with that of the second.
pub fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn serve(mut stream: TcpStream, seen: &Mutex<Vec<Vec<u8>>>, script: Script) {
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = Vec::new();
    loop {
        let Some(length) = read_message(&mut stream, &mut buffer) else { return };
        let message: Vec<u8> = buffer.drain(..length).collect();
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(message.clone());
            seen.len() - 1
        };
        match script(number, &message) {
            Act::Send(answer) => {
                if stream.write_all(&answer).is_err() {
                    return;
                }
            }
            Act::Late(answer, after) => {
                std::thread::park_timeout(after);
                if stream.write_all(&answer).is_err() {
                    return;
                }
            }
            Act::Last(answer) => {
                let _ = stream.write_all(&answer);
                return;
            }
            Act::Silence => {
                let _ = stream.read_to_end(&mut buffer);
                return;
            }
            Act::Echo(answer) => {
                let _ = stream.write_all(&answer);
                let mut chunk = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut chunk) {
                    let _ = stream.write_all(&chunk[..count]);
                }
                return;
            }
        }
    }
}

/// Reads until the buffer begins with a whole message and returns its length.
fn read_message(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<usize> {
    loop {
        if let Some(length) = message_length(buffer) {
            return Some(length);
        }
        let mut chunk = [0; 16 * 1024];
        let count = stream.read(&mut chunk).ok().filter(|count| *count > 0)?;
        buffer.extend_from_slice(&chunk[..count]);
    }
}

/// The length of the message at the start, head and body.
pub fn message_length(buffer: &[u8]) -> Option<usize> {
    let head = buffer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    if field("transfer-encoding:").is_some() {
        let end = buffer[head..].windows(5).position(|five| five == b"0\r\n\r\n")?;
        return Some(head + end + 5);
    }
    let length: usize = field("content-length:").map_or(0, |length| length.parse().unwrap());
    (buffer.len() >= head + length).then_some(head + length)
}
