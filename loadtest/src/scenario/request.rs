//! One kind of request: what is sent, how often, and what must come back.

use weir_schema::reader::Reader;
use weir_schema::value::{Checked, HeaderName, HeaderText, Leaf, Map, Method, Size, Status};
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
        pub headers: Map<HeaderText>,
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
        names_are_tokens(&self.headers, reader);
        for (name, _) in self.headers.iter().filter(|(name, _)| is_framing(name)) {
            let message = format!("`{}` is not written by hand", name.value);
            let found = Diagnostic::new(Code::Header, name.span, message);
            reader.push(found.hint("`client.host`, `client.keep_alive` and `body` say what stands there."));
        }
        if self.body.0 > BODY_MAX {
            reader.push(Diagnostic::new(Code::Size, self.body.span, "a body has at most 64 MiB"));
        }
    }
}

/// It says to whom a request goes, where it ends, and what becomes of the connection.
fn is_framing(name: &str) -> bool {
    const FRAMING: [&str; 5] = ["host", "content-length", "transfer-encoding", "connection", "upgrade"];
    FRAMING.iter().any(|framing| name.eq_ignore_ascii_case(framing))
}

/// No larger body is sent.
const BODY_MAX: u64 = 64 << 20;

section! {
    /// What must come back; anything else is an error.
    pub struct Expect "expect" [checked] {
        /// The status.
        pub status: At<Status> = Status(200),
        /// Bytes of the body; left out, any, or N for a path `/bytes/N`.
        pub bytes: Option<At<Size>>,
        /// Compare every byte with what the origin of `peers` sends.
        pub exact: At<bool> = true,
        /// The whole body, as text; takes the place of `bytes` and `exact`.
        pub text: Option<At<String>>,
        /// Headers that must be there, each with its value.
        pub headers: Map<HeaderText>,
    }
}

impl Checked for Expect {
    fn check(&self, _span: Span, reader: &mut Reader<'_>) {
        names_are_tokens(&self.headers, reader);
        if let (Some(text), Some(bytes)) = (&self.text, &self.bytes) {
            let found = Diagnostic::new(Code::Conflict, bytes.span, "a `text` says how long it is");
            reader.push(found.also(text.span, "the text"));
        }
    }
}

/// Reports names that no header can have.
fn names_are_tokens(headers: &Map<HeaderText>, reader: &mut Reader<'_>) {
    for (name, _) in headers.iter() {
        if HeaderName::parse(&name.value).is_err() {
            let message = format!("`{}` is not the name of a header", name.value);
            reader.push(Diagnostic::new(Code::Header, name.span, message));
        }
    }
}
