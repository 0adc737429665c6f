//! How the command line asks the running program: one request over the unix socket.

use serde_json::Value;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Asks the program behind one socket.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
    patience: Duration,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens.
    #[error(
        "weir does not answer on {socket}: {source}; is it running, and is this its admin socket (--socket)?"
    )]
    Unreachable {
        /// The socket asked.
        socket: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The connection broke or took too long.
    #[error("weir accepted the request on {socket} and then did not answer: {source}")]
    Broken {
        /// The socket asked.
        socket: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// What came back is no answer of weir's.
    #[error("the answer on {0} is not HTTP; does another program own this socket?")]
    Foreign(PathBuf),
    /// weir refused.
    #[error("{title}: {detail}")]
    Refused {
        /// Status code.
        status: u16,
        /// What was wrong.
        title: String,
        /// Where, and what to do.
        detail: String,
    },
}

/// An answer larger than this is cut off: no answer of weir's comes near it.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

impl Client {
    /// A client for the socket; each request waits for `patience` at most.
    pub fn new(socket: &Path, patience: Duration) -> Self {
        Self { socket: socket.to_owned(), patience }
    }

    /// Sends one request and returns the body of a good answer.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Vec<u8>, Error> {
        let stream = UnixStream::connect(&self.socket)
            .map_err(|source| Error::Unreachable { socket: self.socket.clone(), source })?;
        let answer = self
            .exchange(stream, method, path, body)
            .map_err(|source| Error::Broken { socket: self.socket.clone(), source })?;
        let (status, body) = split(&answer).ok_or_else(|| Error::Foreign(self.socket.clone()))?;
        if status < 400 {
            return Ok(body.to_vec());
        }
        let problem: Value = serde_json::from_slice(body).unwrap_or_default();
        let field =
            |key: &str| problem.get(key).and_then(Value::as_str).unwrap_or("no reason given").to_owned();
        Err(Error::Refused { status, title: field("title"), detail: field("detail") })
    }

    /// Sends one request and reads the answer as JSON.
    pub fn ask_json(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Error> {
        let body = self.ask(method, path, body)?;
        serde_json::from_slice(&body).map_err(|_| Error::Foreign(self.socket.clone()))
    }

    /// Asks for a list whole, page by page. The pages are put together; what else a page says is that of the last.
    pub fn ask_all(&self, path: &str, list: &str) -> Result<Value, Error> {
        let (mut items, mut next) = (Vec::new(), path.to_owned());
        loop {
            let mut page = self.ask_json("GET", &next, None)?;
            let Some(fields) = page.as_object_mut() else { return Ok(page) };
            if let Some(Value::Array(part)) = fields.remove(list) {
                items.extend(part);
            }
            match fields.remove("next") {
                Some(Value::String(more)) => next = more,
                _ => {
                    fields.insert(list.to_owned(), items.into());
                    return Ok(page);
                }
            }
        }
    }

    fn exchange(
        &self,
        mut stream: UnixStream,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> std::io::Result<Vec<u8>> {
        stream.set_read_timeout(Some(self.patience))?;
        stream.set_write_timeout(Some(self.patience))?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: weir\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
        let mut answer = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
        Ok(answer)
    }
}

/// Status and body of an answer that ends with its connection and is not chunked.
fn split(answer: &[u8]) -> Option<(u16, &[u8])> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(answer.get(..end)?).ok()?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some((status, answer.get(end + 4..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    fn answered(answer: &'static [u8]) -> Result<Vec<u8>, Error> {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("admin.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(answer).unwrap();
            String::from_utf8(request[..length].to_vec()).unwrap()
        });
        let answer = Client::new(&path, Duration::from_secs(5)).ask("GET", "/v1/status", None);
        assert!(server.join().unwrap().starts_with("GET /v1/status HTTP/1.1\r\nhost: weir\r\n"));
        answer
    }

    #[test]
    fn answers_are_told_apart() {
        assert_eq!(answered(b"HTTP/1.1 200 OK\r\n\r\n{}").unwrap(), b"{}");
        let refused =
            answered(b"HTTP/1.1 400 Bad Request\r\n\r\n{\"title\":\"not a ban\",\"detail\":\"why\"}");
        assert_eq!(refused.unwrap_err().to_string(), "not a ban: why");
        assert!(matches!(answered(b"220 smtp ready\r\n").unwrap_err(), Error::Foreign(_)));
    }

    #[test]
    fn a_missing_program_is_said_with_the_socket() {
        let error = Client::new(Path::new("/nonexistent/admin.sock"), Duration::from_secs(1));
        let text = error.ask("GET", "/v1/status", None).unwrap_err().to_string();
        assert!(text.contains("/nonexistent/admin.sock") && text.contains("is it running"), "{text}");
    }
}
