//! Judges an answer of HTTP/1.1 as its bytes come in: framing by RFC 9112, content byte for byte.

use crate::measure::Fault;
use crate::origin::pattern;
use bytes::Bytes;

/// The longest head.
const HEAD_MAX: usize = 64 << 10;

/// What an answer must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) status: u16,
    pub(crate) bytes: Option<u64>,
    pub(crate) body: Body,
    /// Each with the value that it must have.
    pub(crate) headers: Vec<(String, String)>,
}

/// Which bytes a body must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Any,
    /// Those that the origin sends.
    Pattern,
    Text(Bytes),
}

impl Body {
    /// Whether `part`, which begins `offset` bytes in, is as it must be.
    fn matches(&self, offset: u64, part: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Pattern => pattern::matches(offset, part),
            Self::Text(text) => {
                let rest = usize::try_from(offset).ok().and_then(|offset| text.get(offset..));
                rest.is_some_and(|rest| rest.starts_with(part))
            }
        }
    }
}

/// Compares a body with what is expected, part after part.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) seen: u64,
    differs: bool,
}

impl Content {
    pub(crate) fn take(&mut self, expected: &Expected, part: &[u8]) {
        self.differs |= !expected.body.matches(self.seen, part);
        self.seen += part.len() as u64;
    }

    /// `has` says whether a header has a value.
    pub(crate) fn judge(
        &self,
        expected: &Expected,
        status: u16,
        has: impl Fn(&str, &str) -> bool,
    ) -> Result<(), Fault> {
        if status != expected.status {
            return Err(Fault::Status(status));
        }
        if !expected.headers.iter().all(|(name, value)| has(name, value)) {
            return Err(Fault::Header);
        }
        let is_short = expected.bytes.is_some_and(|bytes| bytes != self.seen);
        if is_short || self.differs { Err(Fault::Body) } else { Ok(()) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    /// So many bytes of the body are left.
    Body(u64),
    UntilClose,
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    Done,
}

/// An answer being read.
#[derive(Debug)]
pub(crate) struct Answer {
    stage: Stage,
    /// A head or line that was cut by the end of a read.
    carry: Vec<u8>,
    content: Content,
    /// The head, kept only where its headers are judged.
    head: Vec<u8>,
    pub(crate) status: u16,
    /// The server keeps the connection.
    pub(crate) keeps: bool,
}

impl Answer {
    pub(crate) fn new() -> Self {
        let content = Content::default();
        Self { stage: Stage::Head, carry: Vec::new(), content, head: Vec::new(), status: 0, keeps: true }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// Takes what was read; whether the answer is complete.
    pub(crate) fn feed(&mut self, expected: &Expected, mut bytes: &[u8]) -> Result<bool, Fault> {
        while !bytes.is_empty() && self.stage != Stage::Done {
            bytes = match self.stage {
                Stage::Body(left) => {
                    let (part, rest) = split(bytes, left);
                    self.content.take(expected, part);
                    let left = left - part.len() as u64;
                    self.stage = if left == 0 { Stage::Done } else { Stage::Body(left) };
                    rest
                }
                Stage::Chunk(left) => {
                    let (part, rest) = split(bytes, left);
                    self.content.take(expected, part);
                    let left = left - part.len() as u64;
                    self.stage = if left == 0 { Stage::ChunkEnd } else { Stage::Chunk(left) };
                    rest
                }
                Stage::UntilClose => {
                    self.content.take(expected, bytes);
                    &[]
                }
                Stage::Head => self.head(expected, bytes)?,
                Stage::ChunkSize | Stage::ChunkEnd | Stage::Trailers => self.line(bytes)?,
                Stage::Done => bytes,
            };
        }
        if self.is_done() && !bytes.is_empty() {
            return Err(Fault::Protocol); // more than was asked for
        }
        Ok(self.is_done())
    }

    /// The connection ended; whether that completes the answer.
    pub(crate) fn end(&mut self) -> Result<(), Fault> {
        self.keeps = false;
        if matches!(self.stage, Stage::UntilClose | Stage::Done) { Ok(()) } else { Err(Fault::Closed) }
    }

    pub(crate) fn judge(&self, expected: &Expected) -> Result<(), Fault> {
        self.content.judge(expected, self.status, |name, value| {
            let mut fields = self.head.split(|byte| *byte == b'\n').filter_map(field);
            fields.any(|field| field.0.eq_ignore_ascii_case(name.as_bytes()) && field.1 == value.as_bytes())
        })
    }

    fn head<'a>(&mut self, expected: &Expected, bytes: &'a [u8]) -> Result<&'a [u8], Fault> {
        if self.carry.is_empty()
            && let Some(end) = find(bytes, b"\r\n\r\n")
        {
            let (head, rest) = split(bytes, end as u64 + 4);
            self.read_head(expected, head)?;
            return Ok(rest);
        }
        let before = self.carry.len();
        self.carry.extend_from_slice(bytes);
        let Some(end) = find(&self.carry, b"\r\n\r\n") else {
            return if self.carry.len() > HEAD_MAX { Err(Fault::Protocol) } else { Ok(&[]) };
        };
        let mut head = std::mem::take(&mut self.carry);
        head.truncate(end + 4);
        self.read_head(expected, &head)?;
        Ok(bytes.get(end + 4 - before..).unwrap_or_default())
    }

    fn read_head(&mut self, expected: &Expected, head: &[u8]) -> Result<(), Fault> {
        if !expected.headers.is_empty() {
            self.head = head.to_vec();
        }
        let mut lines = head.split(|byte| *byte == b'\n');
        let start = lines.next().unwrap_or_default();
        let status = start.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(number);
        self.status = status.and_then(|status| u16::try_from(status).ok()).ok_or(Fault::Protocol)?;
        let (mut length, mut chunked) = (None, false);
        for (name, value) in lines.filter_map(field) {
            if name.eq_ignore_ascii_case(b"content-length") {
                length = Some(number(value).ok_or(Fault::Protocol)?);
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
                chunked = value.eq_ignore_ascii_case(b"chunked");
            } else if name.eq_ignore_ascii_case(b"connection") && value.eq_ignore_ascii_case(b"close") {
                self.keeps = false;
            }
        }
        self.stage = match (self.status, length, chunked) {
            (101, ..) => Stage::Done,
            (100..200, ..) => Stage::Head,
            (204 | 304, ..) => Stage::Done,
            (_, None, true) => Stage::ChunkSize,
            (_, Some(0), false) => Stage::Done,
            (_, Some(length), false) => Stage::Body(length),
            (_, None, false) => Stage::UntilClose,
            // RFC 9112 section 6.3: both together is what smuggling is made of.
            (_, Some(_), true) => return Err(Fault::Protocol),
        };
        Ok(())
    }

    /// One line of the chunked coding.
    fn line<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Fault> {
        let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
            self.carry.extend_from_slice(bytes);
            return if self.carry.len() > HEAD_MAX { Err(Fault::Protocol) } else { Ok(&[]) };
        };
        let (part, rest) = split(bytes, end as u64 + 1);
        let mut line = std::mem::take(&mut self.carry);
        line.extend_from_slice(part);
        let line = line.trim_ascii_end();
        self.stage = match self.stage {
            Stage::ChunkSize => match hexadecimal(line)? {
                0 => Stage::Trailers,
                size => Stage::Chunk(size),
            },
            Stage::ChunkEnd if line.is_empty() => Stage::ChunkSize,
            Stage::Trailers if line.is_empty() => Stage::Done,
            Stage::Trailers => Stage::Trailers,
            _ => return Err(Fault::Protocol),
        };
        Ok(rest)
    }
}

/// Name and value of a line of the head.
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, value) = line.split_at(line.iter().position(|byte| *byte == b':')?);
    Some((name, value.get(1..)?.trim_ascii()))
}

fn split(bytes: &[u8], at: u64) -> (&[u8], &[u8]) {
    bytes.split_at(usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len()))
}

/// Where `needle` begins.
pub(crate) fn find(bytes: &[u8], needle: &[u8; 4]) -> Option<usize> {
    let mut from = 0;
    // An answer has few carriage returns, and the standard library finds single bytes quickly.
    loop {
        let at = from + bytes.get(from..)?.iter().position(|byte| *byte == b'\r')?;
        if bytes.get(at..at + 4)? == needle {
            return Some(at);
        }
        from = at + 1;
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
}

fn hexadecimal(line: &[u8]) -> Result<u64, Fault> {
    let size = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let text = std::str::from_utf8(size).map_err(|_| Fault::Protocol)?;
    u64::from_str_radix(text, 16).map_err(|_| Fault::Protocol)
}

#[cfg(test)]
mod tests {
    use super::*;

    const THIRTEEN: Expected =
        Expected { status: 200, bytes: Some(13), body: Body::Pattern, headers: Vec::new() };

    fn body(count: u64) -> String {
        String::from_utf8(pattern::bytes(count)).unwrap()
    }

    /// The same outcome however the bytes are cut.
    fn check(text: &str, expected: &Expected, outcome: Result<bool, Fault>) {
        for cut in 1..=text.len() {
            let mut answer = Answer::new();
            let mut fed = Ok(false);
            for part in text.as_bytes().chunks(cut) {
                fed = fed.and_then(|_| answer.feed(expected, part));
            }
            let judged =
                fed.and_then(|done| if done { answer.judge(expected).map(|()| true) } else { Ok(false) });
            assert_eq!(judged, outcome, "cut {cut} of {text:?}");
        }
    }

    #[test]
    fn right_answers_pass_however_they_are_cut() {
        let body = body(13);
        check(&format!("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{body}"), &THIRTEEN, Ok(true));
        let (first, rest) = body.split_at(3);
        let chunked = format!("3;x=1\r\n{first}\r\na\r\n{rest}\r\n0\r\nX: y\r\n\r\n");
        check(
            &format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunked}"),
            &THIRTEEN,
            Ok(true),
        );
        check(
            &format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length:13\r\n\r\n{body}"),
            &THIRTEEN,
            Ok(true),
        );
    }

    #[test]
    fn wrong_answers_are_told_apart() {
        let good = body(13);
        let check = |text: String, fault| check(&text, &THIRTEEN, Err(fault));
        check(format!("HTTP/1.1 503 No\r\nContent-Length: 13\r\n\r\n{good}"), Fault::Status(503));
        check("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nxxxxxxxxxxxxx".into(), Fault::Body);
        check(format!("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{}", &good[..12]), Fault::Body);
        check(
            format!("HTTP/1.1 200 OK\r\nContent-Length: 13\r\nTransfer-Encoding: chunked\r\n\r\n{good}"),
            Fault::Protocol,
        );
        check("SSH-2.0-x\r\n\r\n".into(), Fault::Protocol);
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".into(), Fault::Protocol);
    }

    #[test]
    fn headers_and_a_text_are_judged_where_they_are_asked_for() {
        let asked = |name: &str, value: &str, text: &'static str| Expected {
            status: 200,
            bytes: Some(text.len() as u64),
            body: Body::Text(Bytes::from_static(text.as_bytes())),
            headers: vec![(name.to_owned(), value.to_owned())],
        };
        let text = "HTTP/1.1 200 OK\r\nX-Cache:  hit \r\nContent-Length: 5\r\n\r\nhello";
        check(text, &asked("x-cache", "hit", "hello"), Ok(true));
        check(text, &asked("x-cache", "miss", "hello"), Err(Fault::Header));
        check(text, &asked("x-other", "hit", "hello"), Err(Fault::Header));
        check(text, &asked("x-cache", "hit", "hullo"), Err(Fault::Body));
        check(text, &asked("x-cache", "hit", "hell"), Err(Fault::Body));
    }

    #[test]
    fn an_end_completes_only_what_has_no_length() {
        let mut answer = Answer::new();
        answer.feed(&THIRTEEN, b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        answer.feed(&THIRTEEN, body(13).as_bytes()).unwrap();
        answer.end().unwrap();
        answer.judge(&THIRTEEN).unwrap();
        let mut answer = Answer::new();
        answer.feed(&THIRTEEN, b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nabc").unwrap();
        assert_eq!(answer.end(), Err(Fault::Closed));
    }
}
