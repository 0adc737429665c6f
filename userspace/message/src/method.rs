//! Request methods: the ones a proxy must understand, and all others by their text.

/// What a request asks for. The text of [`Method::Other`] stays in the head's buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Method {
    /// `GET`
    #[default]
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
    /// `OPTIONS`
    Options,
    /// `CONNECT`
    Connect,
    /// `TRACE`
    Trace,
    /// Any other token.
    Other,
}

impl Method {
    /// Methods are case-sensitive (RFC 9110, section 9.1).
    pub fn parse(text: &[u8]) -> Method {
        match text {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"POST" => Method::Post,
            b"PUT" => Method::Put,
            b"PATCH" => Method::Patch,
            b"DELETE" => Method::Delete,
            b"OPTIONS" => Method::Options,
            b"CONNECT" => Method::Connect,
            b"TRACE" => Method::Trace,
            _ => Method::Other,
        }
    }

    /// RFC 9110, section 9.2.1: asks for nothing to change.
    pub fn is_safe(self) -> bool {
        matches!(self, Method::Get | Method::Head | Method::Options | Method::Trace)
    }

    /// RFC 9110, section 9.2.2: may be sent twice with the effect of once.
    pub fn is_idempotent(self) -> bool {
        self.is_safe() || matches!(self, Method::Put | Method::Delete)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_case_sensitive() {
        assert_eq!(Method::parse(b"GET"), Method::Get);
        assert_eq!(Method::parse(b"get"), Method::Other);
        assert_eq!(Method::parse(b"PROPFIND"), Method::Other);
    }

    #[test]
    fn post_and_patch_are_not_repeatable() {
        assert!(Method::Put.is_idempotent() && Method::Get.is_idempotent());
        assert!(
            !Method::Post.is_idempotent() && !Method::Patch.is_idempotent() && !Method::Other.is_idempotent()
        );
    }
}
