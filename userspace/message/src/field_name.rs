//! The name of a field that is written again and again: checked and classified once.
use crate::Name;
use crate::head::is_token_byte;
use std::borrow::Cow;

/// A field's name. One that no field may have is kept all the same, and every attempt to write it fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldName {
    pub(crate) id: Name,
    pub(crate) is_writable: bool,
    pub(crate) text: Cow<'static, [u8]>,
}

impl FieldName {
    /// A name of our own, which is a token and none of those that [`Name`] knows.
    pub const fn other(text: &'static str) -> FieldName {
        FieldName { id: Name::Other, is_writable: true, text: Cow::Borrowed(text.as_bytes()) }
    }
}

impl From<&str> for FieldName {
    fn from(text: &str) -> FieldName {
        let bytes = text.as_bytes();
        // RFC 9110, section 5.1: a name is a token.
        let is_writable = !bytes.is_empty() && bytes.iter().copied().all(is_token_byte);
        FieldName { id: Name::parse(bytes), is_writable, text: Cow::Owned(bytes.to_vec()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Head;

    #[test]
    fn names_are_written_as_they_are_spelled_and_found_in_any_case() {
        let mut head = Head::default();
        head.append("x-tenant", b"forged").unwrap();
        head.append("Server", b"x").unwrap();
        let tenant = FieldName::from("X-Tenant");
        head.set_named(&tenant, &[b"a", b"b"]).unwrap();
        head.append_named(&tenant, &[b"c"]).unwrap();
        assert_eq!(head.values("x-tenant").collect::<Vec<_>>(), [&b"ab"[..], b"c"]);
        assert!(head.has_named(&FieldName::from("SERVER")) && head.remove_named(&FieldName::from("SERVER")));
        assert!(!head.has_named(&FieldName::from("server")) && head.known(Name::Server).is_none());
        head.append_named(&FieldName::other("X-Own"), &[b"1"]).unwrap();
        assert_eq!(head.value("x-own"), Some(&b"1"[..]));
    }

    #[test]
    fn what_cannot_be_written_is_not() {
        let mut head = Head::default();
        for name in ["", "a b", "a:", "a\r\n", "é"] {
            head.append_named(&FieldName::from(name), &[b"1"]).unwrap_err();
            head.set_named(&FieldName::from(name), &[b"1"]).unwrap_err();
        }
        head.set_named(&FieldName::from("X-A"), &[b"1\r\nX-B: 2"]).unwrap_err();
        assert!(head.is_empty());
    }
}
