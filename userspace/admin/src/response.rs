//! What a request gets back.

use serde_json::{Value, json};

/// An answer of the admin interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Header fields beside the length.
    pub fields: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// A JSON document, ended by a line feed so that a terminal shows it well.
    pub fn json(value: &Value) -> Self {
        Self::new(200, "application/json", format!("{value:#}\n"))
    }

    /// A text in a media type of its own.
    pub fn text(media_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self::new(200, media_type, body)
    }

    /// Problem details (RFC 9457): what was wrong and what to do.
    pub fn problem(status: u16, title: &str, detail: &str) -> Self {
        let body = json!({ "type": "about:blank", "status": status, "title": title, "detail": detail });
        Self::new(status, "application/problem+json", format!("{body:#}\n"))
    }

    /// The same answer with one more field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.fields.push((name, value.to_owned()));
        self
    }

    fn new(status: u16, media_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        let fields =
            vec![("content-type", media_type.to_owned()), ("cache-control", String::from("no-store"))];
        Self { status, fields, body: body.into() }
    }
}
