//! From the fields of a block to an answer or to trailers (RFC 9113, sections 8.1 to 8.3).
use crate::{Error, Head, Response, Version, trailer};

/// What each field counts beside its text (RFC 9113, section 6.5.2).
const FIELD: usize = 32;

/// Puts an answer together, field by field. What is wrong with it is told at the end, since the block must be read on.
#[derive(Debug)]
pub struct AnswerReader<'a> {
    response: &'a mut Response,
    left: usize,
    error: Option<Error>,
}

impl<'a> AnswerReader<'a> {
    /// Reads into `response` a head of at most that size, as HTTP/2 counts it.
    pub fn new(response: &'a mut Response, size_max: usize) -> AnswerReader<'a> {
        response.begin(0);
        response.version = Version::Http2;
        AnswerReader { response, left: size_max, error: None }
    }

    /// Reads trailers into the head of `trailers` (section 8.1): there, no pseudo-field is due.
    pub fn of_trailers(trailers: &'a mut Response, size_max: usize) -> AnswerReader<'a> {
        trailers.begin(200);
        AnswerReader { response: trailers, left: size_max, error: None }
    }

    /// Takes the next field.
    pub fn take(&mut self, name: &[u8], value: &[u8]) {
        if self.error.is_none() {
            self.error = self.add(name, value).err();
        }
    }

    fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), Error> {
        self.left = self.left.checked_sub(name.len() + value.len() + FIELD).ok_or(Error::HeadTooLarge)?;
        if name.first() == Some(&b':') {
            // Section 8.3: before all others, and once.
            let is_due = name == b":status" && self.response.status == 0 && self.response.head.is_empty();
            self.response.status = status(value).filter(|_| is_due).ok_or(Error::StatusLine)?;
            return Ok(());
        }
        append(&mut self.response.head, name, value)
    }

    /// The end of the block.
    ///
    /// # Errors
    /// What is wrong with the answer, which is then malformed (section 8.1.1).
    pub fn end(self) -> Result<(), Error> {
        match self.error {
            Some(error) => Err(error),
            None if self.response.status == 0 => Err(Error::StatusLine),
            None => Ok(()),
        }
    }
}

/// Section 8.3.2: three digits. A change of protocol is not known to HTTP/2 (section 8.6).
fn status(value: &[u8]) -> Option<u16> {
    let digits: [u8; 3] = value.try_into().ok()?;
    let number = digits
        .iter()
        .try_fold(0_u16, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u16::from(digit - b'0')))?;
    (number >= 100 && number != 101).then_some(number)
}

/// Section 8.2.1: names in lower case, values without white space around them.
fn append(head: &mut Head, name: &[u8], value: &[u8]) -> Result<(), Error> {
    if name.iter().any(u8::is_ascii_uppercase) {
        return Err(Error::FieldName);
    }
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    if is_space(value.first()) || is_space(value.last()) {
        return Err(Error::FieldValue);
    }
    head.append_parts(name, &[value])
}

/// Keeps the trailers that may be passed on, of all that a block has. `grpc` says that the message is one of gRPC.
pub fn read_trailers(received: &Head, grpc: bool, into: &mut Head) -> Result<(), Error> {
    let is_allowed = if grpc { trailer::is_allowed_in_grpc } else { trailer::is_allowed };
    into.clear();
    for field in received.iter().filter(|field| is_allowed(field.name)) {
        into.append_parts(field.name, &[field.value])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fields: &[(&str, &str)], expect: Result<(u16, usize), Error>) {
        let mut response = Response::default();
        let mut reader = AnswerReader::new(&mut response, 400);
        fields.iter().for_each(|(name, value)| reader.take(name.as_bytes(), value.as_bytes()));
        let read = reader.end().map(|()| (response.status, response.head.len()));
        assert_eq!(read, expect, "{fields:?}");
    }

    #[test]
    fn b31_an_answer_has_one_status_before_its_fields() {
        check(&[(":status", "200"), ("a", "1"), ("b", "")], Ok((200, 2)));
        check(&[(":status", "103")], Ok((103, 0)));
        for status in ["", "20", "2000", "099", "2x0", "101", "+20"] {
            check(&[(":status", status)], Err(Error::StatusLine));
        }
        check(&[], Err(Error::StatusLine));
        check(&[("a", "1")], Err(Error::StatusLine));
        check(&[("a", "1"), (":status", "200")], Err(Error::StatusLine));
        check(&[(":status", "200"), (":status", "200")], Err(Error::StatusLine));
        check(&[(":status", "200"), (":path", "/")], Err(Error::StatusLine));
    }

    #[test]
    fn names_and_values_are_read_strictly() {
        check(&[(":status", "200"), ("A", "1")], Err(Error::FieldName));
        for value in [" 1", "1 ", "\t1", "1\t"] {
            check(&[(":status", "200"), ("a", value)], Err(Error::FieldValue));
        }
        for (name, value) in [("a b", "1"), ("", "1"), ("a:", "1"), ("a", "1\r\nb: 2"), ("a", "\0")] {
            check(&[(":status", "200"), (name, value)], Err(Error::Unwritable));
        }
    }

    #[test]
    fn c9_a_head_has_a_size_and_what_is_too_much_is_not_kept() {
        let long = "v".repeat(300);
        check(&[(":status", "200"), ("a", &long)], Ok((200, 1)));
        check(&[(":status", "200"), ("a", &long), ("b", &long), ("c", "1")], Err(Error::HeadTooLarge));
    }

    #[test]
    fn trailers_have_no_pseudo_fields() {
        let mut trailers = Response::default();
        let mut reader = AnswerReader::of_trailers(&mut trailers, 400);
        reader.take(b"grpc-status", b"0");
        assert_eq!(reader.end(), Ok(()));
        assert_eq!(trailers.head.value("grpc-status"), Some(&b"0"[..]));
        let mut reader = AnswerReader::of_trailers(&mut trailers, 400);
        reader.take(b":status", b"200");
        assert_eq!(reader.end(), Err(Error::StatusLine));
    }

    #[test]
    fn a22_trailers_are_kept_by_name() {
        let mut received = Head::default();
        received.append("grpc-status", b"0").unwrap();
        received.append("x-other", b"1").unwrap();
        let mut kept = Head::default();
        read_trailers(&received, false, &mut kept).unwrap();
        assert_eq!(kept.len(), 1);
        read_trailers(&received, true, &mut kept).unwrap();
        assert_eq!(kept.len(), 2);
    }
}
