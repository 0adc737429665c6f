//! The fields that everybody knows by number (RFC 7541, appendix A), counted from 1.

use crate::Name;

/// Names and values; most have no value.
pub(super) const FIELDS: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// The field of that number.
pub(super) fn find(number: usize) -> Option<(&'static [u8], &'static [u8])> {
    let (name, value) = FIELDS.get(number.checked_sub(1)?)?;
    Some((name.as_bytes(), value.as_bytes()))
}

/// Numbers of names by the length of the name, so that few are compared.
fn of_length(length: usize) -> &'static [usize] {
    match length {
        3 => &[60, 21],
        4 => &[33, 34, 59, 45, 38, 37],
        5 => &[50, 22],
        6 => &[19, 32, 54, 35],
        7 => &[51, 36, 52],
        8 => &[46, 42, 39],
        10 => &[58, 55],
        11 => &[53],
        12 => &[31, 47],
        13 => &[23, 24, 44, 41, 18, 30],
        14 => &[28, 15],
        15 => &[16, 17],
        16 => &[26, 27, 29, 61],
        17 => &[40, 57],
        18 => &[48],
        19 => &[25, 43, 49],
        25 => &[56],
        27 => &[20],
        _ => &[],
    }
}

/// The number of a name, which is written in any case. Names that begin with a colon are not looked for.
pub(super) fn number(id: Name, name: &[u8]) -> Option<usize> {
    match id {
        Name::Other => number_of_text(name),
        id => number_of_known(id),
    }
}

fn number_of_text(name: &[u8]) -> Option<usize> {
    let is_it = |number: &usize| find(*number).is_some_and(|(known, _)| known.eq_ignore_ascii_case(name));
    of_length(name.len()).iter().copied().find(is_it)
}

/// What was recognised when the head was read need not be compared again.
fn number_of_known(id: Name) -> Option<usize> {
    Some(match id {
        Name::AcceptEncoding => 16,
        Name::Accept => 19,
        Name::Authorization => 23,
        Name::CacheControl => 24,
        Name::ContentEncoding => 26,
        Name::ContentLength => 28,
        Name::ContentType => 31,
        Name::Cookie => 32,
        Name::Date => 33,
        Name::Expect => 35,
        Name::Host => 38,
        Name::Location => 46,
        Name::ProxyAuthorization => 49,
        Name::Server => 54,
        Name::SetCookie => 55,
        Name::TransferEncoding => 57,
        Name::UserAgent => 58,
        Name::Via => 60,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_by_its_text_in_any_case() {
        for (at, (name, _)) in FIELDS.iter().enumerate().filter(|(_, (name, _))| !name.starts_with(':')) {
            let id = Name::parse(name.as_bytes());
            assert_eq!(number(id, name.as_bytes()), Some(at + 1), "{name}");
            assert_eq!(number(id, name.to_uppercase().as_bytes()), Some(at + 1), "{name}");
            assert_eq!(number_of_text(name.as_bytes()), Some(at + 1), "{name}");
        }
        assert_eq!(number(Name::Other, b"x"), None);
        assert_eq!(number(Name::Other, b"cookies"), None);
        assert_eq!(number(Name::XForwardedFor, b"x-forwarded-for"), None);
        assert_eq!((find(0), find(62)), (None, None));
    }
}
