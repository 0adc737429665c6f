//! Which bytes may stand in a target, and what a path must look at (RFC 3986, sections 2.3 and 3.3).

/// What a byte means to the check of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathClass {
    Plain,
    Slash,
    Dot,
    Percent,
    Refused,
}

/// RFC 3986 allows less than browsers send; `|`, `[` and `]` occur in the wild and mean nothing else anywhere.
#[expect(clippy::indexing_slicing, reason = "a table of 256 has a place for every byte")]
pub(crate) const fn path_class(byte: u8) -> PathClass {
    PATH_CLASSES[byte as usize]
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
static PATH_CLASSES: [PathClass; 256] = {
    let mut classes = [PathClass::Refused; 256];
    let mut byte = 0x21_u8;
    while byte < 0x7f {
        classes[byte as usize] = classify(byte);
        byte += 1;
    }
    classes
};

const fn classify(byte: u8) -> PathClass {
    match byte {
        b'/' => PathClass::Slash,
        b'.' => PathClass::Dot,
        b'%' => PathClass::Percent,
        b'"' | b'#' | b'<' | b'>' | b'?' | b'\\' | b'^' | b'`' | b'{' | b'}' => PathClass::Refused,
        _ => PathClass::Plain,
    }
}

/// A query may hold every visible byte but `#`: nothing on the way gives the others a second meaning.
pub(crate) fn is_query_byte(byte: u8) -> bool {
    (0x21..0x7f).contains(&byte) && byte != b'#'
}

pub(crate) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

pub(crate) fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}
