//! The origin over HTTP/1.1. It trusts what comes: the peers stand between it and everyone else.

use super::pattern;
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::HashMap;
use tokio_uring::buf::BoundedBuf;
use tokio_uring::net::TcpStream;

/// No larger body is made.
const BODY_MAX: u64 = 256 << 20;
const SPACE: usize = 64 << 10;

/// Answers, each made once.
#[derive(Default)]
pub(crate) struct Bodies {
    answers: RefCell<HashMap<u64, Bytes>>,
    bodies: RefCell<HashMap<u64, Bytes>>,
}

impl Bodies {
    /// Head and body.
    fn answer(&self, count: u64) -> Bytes {
        let make = || {
            let mut answer =
                format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {count}\r\n\r\n")
                    .into_bytes();
            answer.extend(pattern::bytes(count));
            answer.into()
        };
        self.answers.borrow_mut().entry(count).or_insert_with(make).clone()
    }

    pub(super) fn body(&self, count: u64) -> Bytes {
        self.bodies.borrow_mut().entry(count).or_insert_with(|| pattern::bytes(count).into()).clone()
    }
}

/// How many bytes a path asks for.
pub(super) fn count(path: &str) -> Option<u64> {
    let number = path.split('?').next().unwrap_or(path).strip_prefix("/bytes/")?;
    number.parse().ok().filter(|count| *count <= BODY_MAX)
}

/// What the head of a request asks for.
struct Asked {
    count: Option<u64>,
    body: u64,
    upgrade: Option<String>,
}

pub(super) async fn serve(stream: TcpStream, first: (Vec<u8>, usize), bodies: &Bodies) {
    let (mut space, mut filled) = first;
    while filled > 0 {
        let Some(end) = head_end(space.get(..filled).unwrap_or_default()) else {
            let Some((more, now)) = read_more(&stream, space, filled).await else { return };
            (space, filled) = (more, now);
            continue;
        };
        let Some(asked) = read(space.get(..end).unwrap_or_default()) else { return };
        let mut left = end as u64 + asked.body;
        while left > filled as u64 {
            left -= filled as u64;
            let (read, buffer) = stream.read(space).await;
            space = buffer;
            filled = match read {
                Ok(0) | Err(_) => return,
                Ok(read) => read,
            };
        }
        let used = usize::try_from(left).unwrap_or(filled);
        space.copy_within(used..filled, 0);
        filled -= used;
        if let Some(key) = asked.upgrade {
            return crate::client::websocket::echo(stream, &key).await;
        }
        let answer = asked.count.map_or_else(not_found, |count| bodies.answer(count));
        if stream.write_all(answer).await.0.is_err() {
            return;
        }
        if filled == 0 {
            let (read, buffer) = stream.read(space).await;
            space = buffer;
            filled = read.unwrap_or(0);
        }
    }
}

async fn read_more(stream: &TcpStream, mut space: Vec<u8>, filled: usize) -> Option<(Vec<u8>, usize)> {
    if filled >= SPACE {
        return None;
    }
    space.truncate(filled);
    space.resize(SPACE, 0);
    let (read, slice) = stream.read(space.slice(filled..)).await;
    let read = read.ok().filter(|read| *read > 0)?;
    Some((slice.into_inner(), filled + read))
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    crate::client::answer::find(bytes, b"\r\n\r\n").map(|at| at + 4)
}

fn read(head: &[u8]) -> Option<Asked> {
    let text = std::str::from_utf8(head).ok()?;
    let path = text.split(' ').nth(1)?;
    let mut asked = Asked { count: count(path), body: 0, upgrade: None };
    for line in text.split("\r\n").skip(1) {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("content-length") {
            asked.body = value.trim().parse().ok()?;
        } else if name.eq_ignore_ascii_case("sec-websocket-key") {
            asked.upgrade = Some(value.trim().to_owned());
        }
    }
    Some(asked)
}

fn not_found() -> Bytes {
    Bytes::from_static(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
}
