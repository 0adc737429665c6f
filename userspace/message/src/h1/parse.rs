//! From bytes to a head: httparse finds the pieces, and this layer refuses what it lets through.
use crate::{
    Error, Head, Limits, Method, Name, Request, Response, Scheme, Version, head::Line, span::Span, uri,
};
use std::mem::MaybeUninit;

/// What is done with a field whose name contains `_`, which many servers read as `-`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Underscores {
    /// The field is removed.
    #[default]
    Drop,
    /// The field is kept.
    Keep,
}

/// How requests of one listener are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Bounds on the head.
    pub limits: Limits,
    /// How paths are normalised.
    pub paths: uri::Rules,
    /// Fields with `_` in their name.
    pub underscores: Underscores,
    /// How the client is connected.
    pub scheme: Scheme,
}

/// Reads heads from the start of a buffer that may not hold a whole one yet. Keep one for each direction of a
/// connection: it remembers how far a partial head was searched, so that a slow sender costs no more than a fast one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parser {
    searched: usize,
}

type Slots<'b> = [MaybeUninit<httparse::Header<'b>>; Limits::FIELDS_CEILING];

impl Parser {
    /// Reads a request. Returns how many bytes its head took, or nothing if it is not complete.
    pub fn request(
        &mut self,
        input: &[u8],
        rules: &Rules,
        request: &mut Request,
    ) -> Result<Option<usize>, Error> {
        // RFC 9112, section 2.2: one empty line before the request line is ignored.
        let skipped = if input.starts_with(b"\r\n") { 2 } else { 0 };
        let input = input.get(skipped..).unwrap_or_default();
        if matches!(input, [b'\n' | b' ' | b'\t', ..] | [b'\r', b'\n', ..]) {
            return Err(Error::RequestLine);
        }
        if !self.may_be_complete(input, &rules.limits)? {
            return Ok(None);
        }
        let mut slots: Slots<'_> = [const { MaybeUninit::uninit() }; Limits::FIELDS_CEILING];
        let room = slots.get_mut(..rules.limits.fields_max.min(Limits::FIELDS_CEILING)).unwrap_or_default();
        let mut parsed = httparse::Request::new(&mut []);
        let used = match parsed.parse_with_uninit_headers(input, room) {
            Ok(httparse::Status::Complete(used)) => used,
            Ok(httparse::Status::Partial) => return self.partial(input, &rules.limits),
            Err(error) => return Err(refusal(error, input, Error::RequestLine)),
        };
        let (Some(method), Some(target)) = (parsed.method, parsed.path) else {
            return Err(Error::RequestLine);
        };
        let text = input.get(..used).unwrap_or_default();
        request.clear();
        request.line = start_line(text, parsed.headers, &rules.limits)?;
        request.method_text = Span::within(text, method.as_bytes());
        request.target = Span::within(text, target.as_bytes());
        request.method = Method::parse(method.as_bytes());
        request.version = if parsed.version == Some(0) { Version::Http10 } else { Version::Http11 };
        request.scheme = rules.scheme;
        if method.len() > Limits::METHOD_MAX {
            return Err(Error::MethodTooLong);
        }
        copy_lines(text, parsed.headers, &mut request.head)?;
        if rules.underscores == Underscores::Drop {
            request.head.remove_where(|field| field.id == Name::Other && field.name.contains(&b'_'));
        }
        if request.version == Version::Http10 {
            request.line = Span::default();
        }
        self.searched = 0;
        request.settle(rules.paths)?;
        Ok(Some(used + skipped))
    }

    /// Reads the answer to a request of that method. Returns how many bytes its head took.
    pub fn response(
        &mut self,
        input: &[u8],
        limits: &Limits,
        method: Method,
        response: &mut Response,
    ) -> Result<Option<usize>, Error> {
        if !input.is_empty() && !b"HTTP/".starts_with(input) && !input.starts_with(b"HTTP/") {
            return Err(Error::StatusLine);
        }
        if !self.may_be_complete(input, limits)? {
            return Ok(None);
        }
        let mut slots: Slots<'_> = [const { MaybeUninit::uninit() }; Limits::FIELDS_CEILING];
        let room = slots.get_mut(..limits.fields_max.min(Limits::FIELDS_CEILING)).unwrap_or_default();
        let mut parsed = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        let used = match config.parse_response_with_uninit_headers(&mut parsed, input, room) {
            Ok(httparse::Status::Complete(used)) => used,
            Ok(httparse::Status::Partial) => return self.partial(input, limits),
            Err(error) => return Err(refusal(error, input, Error::StatusLine)),
        };
        let text = input.get(..used).unwrap_or_default();
        response.clear();
        response.line = start_line(text, parsed.headers, limits)?;
        response.status = parsed.code.filter(|code| (100..1000).contains(code)).ok_or(Error::StatusLine)?;
        response.version = if parsed.version == Some(0) { Version::Http10 } else { Version::Http11 };
        copy_lines(text, parsed.headers, &mut response.head)?;
        if response.version == Version::Http10 {
            response.line = Span::default();
        }
        self.searched = 0;
        response.settle(method)?;
        Ok(Some(used))
    }

    /// The first look at a head goes straight to the parser, which mostly succeeds. Later looks first search
    /// the new bytes for an end.
    fn may_be_complete(&mut self, input: &[u8], limits: &Limits) -> Result<bool, Error> {
        if self.searched == 0 {
            return Ok(true);
        }
        let from = self.searched.saturating_sub(3);
        let news = input.get(from..).unwrap_or_default();
        if news.windows(2).any(|pair| pair == b"\n\n") || news.windows(3).any(|three| three == b"\n\r\n") {
            return Ok(true);
        }
        self.partial(input, limits).map(|_| false)
    }

    fn partial(&mut self, input: &[u8], limits: &Limits) -> Result<Option<usize>, Error> {
        self.searched = input.len();
        if input.len() > limits.line_max && !input.iter().take(limits.line_max).any(|&byte| byte == b'\n') {
            return Err(Error::TargetTooLong);
        }
        if input.len() > limits.head_max { Err(Error::HeadTooLarge) } else { Ok(None) }
    }
}

/// The span of the first line, which must end in CR LF and be within the limits, as must the whole head.
fn start_line(text: &[u8], fields: &[httparse::Header<'_>], limits: &Limits) -> Result<Span, Error> {
    let end = fields.first().map_or(text.len().saturating_sub(2), |field| {
        Span::within(text, field.name.as_bytes()).start as usize
    });
    let line = text.get(..end).unwrap_or_default();
    if line.len() > limits.line_max {
        return Err(Error::TargetTooLong);
    }
    if text.len() > limits.head_max {
        return Err(Error::HeadTooLarge);
    }
    // RFC 9112, section 2.2: httparse takes a bare LF for a line end; we do not.
    if !line.ends_with(b"\r\n") || !text.ends_with(b"\r\n\r\n") {
        return Err(Error::LineEnd);
    }
    Ok(Span::new(0, end))
}

/// Copies the text of a head once, and its fields as ranges.
fn copy_lines(text: &[u8], fields: &[httparse::Header<'_>], head: &mut Head) -> Result<(), Error> {
    head.text.extend_from_slice(text);
    let mut rest = fields.iter().peekable();
    while let Some(field) = rest.next() {
        let end = rest
            .peek()
            .map_or(text.len() - 2, |next| Span::within(text, next.name.as_bytes()).start as usize);
        if !text.get(..end).unwrap_or_default().ends_with(b"\r\n") {
            return Err(Error::LineEnd);
        }
        let (name, value) = (Span::within(text, field.name.as_bytes()), Span::within(text, field.value));
        head.push(Line::received(text, name, value, end));
    }
    Ok(())
}

fn refusal(error: httparse::Error, input: &[u8], start_line: Error) -> Error {
    match error {
        httparse::Error::HeaderName => Error::FieldName,
        httparse::Error::HeaderValue => Error::FieldValue,
        httparse::Error::NewLine => Error::LineEnd,
        httparse::Error::TooManyHeaders => Error::TooManyFields,
        httparse::Error::Version if names_version(input) => Error::Version,
        httparse::Error::Status | httparse::Error::Token | httparse::Error::Version => start_line,
    }
}

/// Whether a refused version is at least one: `HTTP/` and digits, as in `HTTP/2.0`.
fn names_version(input: &[u8]) -> bool {
    let line = input.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let word = line.split(|&byte| byte == b' ').find(|word| word.starts_with(b"HTTP/"));
    word.and_then(|word| word.get(5)).is_some_and(u8::is_ascii_digit)
}
