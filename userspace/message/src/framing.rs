//! Where a body ends: the decision of RFC 9112, section 6.3, made once for each message.
use crate::{Error, Head, Method, Name, NameSet, Version};

/// How the body of a message is delimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// No body at all.
    #[default]
    Empty,
    /// Exactly so many bytes.
    Length(u64),
    /// The chunked coding.
    Chunked,
    /// Everything up to the end of the connection; answers only.
    UntilClose,
}

const FRAMING_FIELDS: NameSet = NameSet::of(&[Name::ContentLength, Name::TransferEncoding]);

impl Framing {
    /// The framing of a request: without either field there is no body.
    pub fn of_request(head: &Head, version: Version) -> Result<Framing, Error> {
        Ok(declared(head, version)?.unwrap_or(Framing::Empty))
    }

    /// The framing of an answer to a request of that method. A malformed declaration is an error even where
    /// the status forbids a body, because the sender and we would disagree about what follows.
    pub fn of_response(head: &Head, version: Version, method: Method, status: u16) -> Result<Framing, Error> {
        let declared = declared(head, version)?;
        if method == Method::Head || forbids_body(status) {
            return Ok(Framing::Empty);
        }
        Ok(declared.unwrap_or(Framing::UntilClose))
    }

    /// Whether nothing follows the head.
    pub fn is_empty(self) -> bool {
        matches!(self, Framing::Empty | Framing::Length(0))
    }
}

/// RFC 9110, section 6.4.1: answers that never have content.
fn forbids_body(status: u16) -> bool {
    matches!(status, 100..=199 | 204 | 304)
}

fn declared(head: &Head, version: Version) -> Result<Option<Framing>, Error> {
    if !head.may_have(FRAMING_FIELDS) {
        return Ok(None);
    }
    let mut lengths = head.every(Name::ContentLength);
    let mut codings = head.every(Name::TransferEncoding);
    match (lengths.next(), codings.next()) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(Error::BothFramings),
        (Some(length), None) if lengths.next().is_none() => parse_length(length).map(Some),
        (Some(_), None) => Err(Error::ContentLength),
        (None, Some(_)) if version == Version::Http10 => Err(Error::OldTransferEncoding),
        (None, Some(coding)) if codings.next().is_none() && coding.eq_ignore_ascii_case(b"chunked") => {
            Ok(Some(Framing::Chunked))
        }
        (None, Some(_)) => Err(Error::TransferEncoding),
    }
}

/// RFC 9110, section 8.6: digits only. A list of equal numbers, which a recipient may accept, is refused.
fn parse_length(text: &[u8]) -> Result<Framing, Error> {
    if text.is_empty() {
        return Err(Error::ContentLength);
    }
    text.iter()
        .try_fold(0_u64, |sum, byte| {
            let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
            sum.checked_mul(10)?.checked_add(digit)
        })
        .map(Framing::Length)
        .ok_or(Error::ContentLength)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(lines: &[(&str, &str)]) -> Head {
        let mut head = Head::default();
        for (name, value) in lines {
            head.append(name, value.as_bytes()).unwrap();
        }
        head
    }

    fn check_request(lines: &[(&str, &str)], version: Version, expect: Result<Framing, Error>) {
        assert_eq!(Framing::of_request(&head(lines), version), expect, "{lines:?}");
    }

    fn check_response(lines: &[(&str, &str)], method: Method, status: u16, expect: Result<Framing, Error>) {
        let found = Framing::of_response(&head(lines), Version::Http11, method, status);
        assert_eq!(found, expect, "{lines:?} {method:?} {status}");
    }

    #[test]
    fn requests_as_in_rfc_9112_section_6_3() {
        check_request(&[], Version::Http11, Ok(Framing::Empty));
        check_request(&[("Content-Length", "0")], Version::Http11, Ok(Framing::Length(0)));
        check_request(&[("Content-Length", "42")], Version::Http10, Ok(Framing::Length(42)));
        check_request(&[("Transfer-Encoding", "Chunked")], Version::Http11, Ok(Framing::Chunked));
    }

    #[test]
    fn a1_a2_both_framings_are_refused_in_any_order() {
        let (length, coding) = (("Content-Length", "13"), ("Transfer-Encoding", "chunked"));
        check_request(&[length, coding], Version::Http11, Err(Error::BothFramings));
        check_request(&[coding, length], Version::Http11, Err(Error::BothFramings));
        check_response(&[coding, length], Method::Get, 200, Err(Error::BothFramings));
    }

    #[test]
    fn a3_only_chunked_exactly_once_is_a_transfer_encoding() {
        for coding in [
            "xchunked",
            "chunked, identity",
            "identity, chunked",
            "chunked;q=1",
            "",
            "gzip, chunked",
            "chunked,",
            "\"chunked\"",
        ] {
            check_request(&[("Transfer-Encoding", coding)], Version::Http11, Err(Error::TransferEncoding));
        }
        let twice = [("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")];
        check_request(&twice, Version::Http11, Err(Error::TransferEncoding));
    }

    #[test]
    fn a4_repeated_or_listed_lengths_are_refused_even_when_equal() {
        for second in ["5", "6"] {
            let twice = [("Content-Length", "5"), ("Content-Length", second)];
            check_request(&twice, Version::Http11, Err(Error::ContentLength));
            check_response(&twice, Method::Get, 200, Err(Error::ContentLength));
        }
        for list in ["5, 5", "5,6"] {
            check_request(&[("Content-Length", list)], Version::Http11, Err(Error::ContentLength));
        }
    }

    #[test]
    fn a5_a6_lengths_are_plain_numbers_that_fit() {
        for bad in ["+5", "-5", "0x5", "5 5", "", "5a", "18446744073709551621", "99999999999999999999999"] {
            check_request(&[("Content-Length", bad)], Version::Http11, Err(Error::ContentLength));
        }
        check_request(&[("Content-Length", "05")], Version::Http11, Ok(Framing::Length(5)));
        check_request(
            &[("Content-Length", "18446744073709551615")],
            Version::Http11,
            Ok(Framing::Length(u64::MAX)),
        );
    }

    #[test]
    fn a15_transfer_encoding_in_http_1_0_is_faulty_framing() {
        check_request(&[("Transfer-Encoding", "chunked")], Version::Http10, Err(Error::OldTransferEncoding));
    }

    #[test]
    fn responses_as_in_rfc_9112_section_6_3() {
        let length = [("Content-Length", "5")];
        check_response(&length, Method::Get, 200, Ok(Framing::Length(5)));
        check_response(&[("Transfer-Encoding", "chunked")], Method::Get, 200, Ok(Framing::Chunked));
        check_response(&[], Method::Get, 200, Ok(Framing::UntilClose));
        check_response(&length, Method::Head, 200, Ok(Framing::Empty));
        for status in [100, 101, 103, 204, 304] {
            check_response(&length, Method::Get, status, Ok(Framing::Empty));
            check_response(&[], Method::Get, status, Ok(Framing::Empty));
        }
        check_response(&[("Content-Length", "x")], Method::Get, 204, Err(Error::ContentLength));
    }
}
