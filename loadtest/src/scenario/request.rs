//! One kind of request: what is sent, how often, and what must come back.

use weir_schema::reader::Reader;
use weir_schema::value::{Checked, Map, Method, Size, Status};
use weir_schema::{At, Code, Diagnostic, Span, section};

section! {
    /// One kind of request.
    pub struct Request "request" [checked] {
        /// How often, beside the others.
        pub weight: At<u32> = 1,
        /// The method.
        pub method: At<Method> = Method("GET".to_owned()),
        /// Path and query. The origin of `peers` answers `/bytes/N` with N bytes.
        pub path: At<String> = "/bytes/13".to_owned(),
        /// Further headers.
        pub headers: Map<String>,
        /// Bytes of a body to send.
        pub body: At<Size> = Size(0),
        /// What must come back.
        pub expect: At<Expect>,
    }
}

impl Checked for Request {
    fn check(&self, _span: Span, reader: &mut Reader<'_>) {
        if self.weight.value == 0 {
            reader.push(Diagnostic::new(
                Code::Number,
                self.weight.span,
                "a request of no weight is never sent",
            ));
        }
        if !self.path.starts_with('/') || self.path.contains(char::is_whitespace) {
            reader.push(Diagnostic::new(
                Code::Path,
                self.path.span,
                "a path begins with `/` and has no spaces",
            ));
        }
        if self.body.0 > BODY_MAX {
            reader.push(Diagnostic::new(Code::Size, self.body.span, "a body has at most 64 MiB"));
        }
    }
}

/// No larger body is sent.
const BODY_MAX: u64 = 64 << 20;

section! {
    /// What must come back; anything else is an error.
    pub struct Expect "expect" {
        /// The status.
        pub status: At<Status> = Status(200),
        /// Bytes of the body; left out, any, or N for a path `/bytes/N`.
        pub bytes: Option<At<Size>>,
        /// Compare every byte with what the origin of `peers` sends.
        pub exact: At<bool> = true,
    }
}
