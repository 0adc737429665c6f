//! Header names and the text that a header can carry.

use crate::code::Code;
use crate::shape::Shape;
use crate::value::{Fault, Leaf};

/// The name of a header: a token of RFC 9110 section 5.6.2. Kept as written; compared without regard to case.
#[derive(Clone, Debug, Eq)]
pub struct HeaderName(pub String);

impl PartialEq for HeaderName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl std::ops::Deref for HeaderName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

pub(super) fn is_token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

impl Leaf for HeaderName {
    const WHAT: &'static str = "the name of a header such as `X-Request-ID`";
    const CODE: Code = Code::Header;

    fn parse(text: &str) -> Result<Self, Fault> {
        if let Some(bad) = text.bytes().position(|b| !is_token_byte(b)) {
            let fault = Fault::new("the name of a header cannot contain this character").part(bad, 1);
            return Err(if text.contains(':') { fault.hint("Leave out the `:`.") } else { fault });
        }
        if text.is_empty() || text.len() > 256 {
            return Err(Fault::new("the name of a header has between 1 and 256 characters"));
        }
        Ok(Self(text.to_owned()))
    }

    fn spell(&self) -> String {
        self.0.clone()
    }

    fn shape() -> Shape {
        Shape::Text { what: Self::WHAT, example: "X-Request-ID" }
    }
}

/// Text that can stand in a header: no control characters, no space at either end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeaderText(pub String);

impl Leaf for HeaderText {
    const WHAT: &'static str = "text that a header can carry";
    const CODE: Code = Code::Text;

    fn parse(text: &str) -> Result<Self, Fault> {
        check_text(text)?;
        Ok(Self(text.to_owned()))
    }

    fn spell(&self) -> String {
        self.0.clone()
    }

    fn shape() -> Shape {
        Shape::Text { what: Self::WHAT, example: "no-store" }
    }
}

pub(super) fn check_text(text: &str) -> Result<(), Fault> {
    if let Some(bad) = text.bytes().position(|b| b < 0x20 && b != b'\t' || b == 0x7f) {
        return Err(Fault::new("a header cannot carry a control character").part(bad, 1).code(Code::Text));
    }
    if text.trim_matches([' ', '\t']) != text {
        let fault = Fault::new("a space at the end or beginning would be lost on the way");
        return Err(fault.code(Code::Text).hint("Write it without that space."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_names_are_tokens() {
        assert_eq!(HeaderName::parse("X-User").unwrap(), HeaderName("x-user".into()));
        assert_eq!(HeaderName::parse("X User").unwrap_err().part, Some((1, 1)));
        assert_eq!(HeaderName::parse("X-User:").unwrap_err().part, Some((6, 1)));
        HeaderName::parse("").unwrap_err();
        assert_eq!(check_text("a\nb").unwrap_err().part, Some((1, 1)));
        assert_eq!(check_text(" a").unwrap_err().code, Some(Code::Text));
    }
}
