//! A request: what is asked, of whom, and how its body is delimited. The same form for every HTTP version.
use crate::{Error, Framing, Head, Host, Method, Name, NameSet, head::is_token_byte, hop, span::Span, uri};

mod settle;

/// The version a message was received in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    #[default]
    Http11,
    /// HTTP/2
    Http2,
}

/// Whether the request came over TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// `http`
    #[default]
    Http,
    /// `https`
    Https,
}

impl Scheme {
    /// The scheme as in a URI.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// The port that is meant when none is written.
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// The protocol a client wants to continue in (RFC 9110, section 7.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// RFC 6455.
    WebSocket,
    /// Any other, including `h2c`, which is never forwarded.
    Other,
}

/// One request. Reused from request to request; [`Request::clear`] keeps its memory.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The fields, without those of the connection once [`hop::strip`] has run.
    pub head: Head,
    /// What is asked.
    pub method: Method,
    /// The version of the client.
    pub version: Version,
    /// The scheme of the connection it came by.
    pub scheme: Scheme,
    /// How the body is delimited.
    pub framing: Framing,
    /// Whether the client lets the connection live on after the answer.
    pub persistent: bool,
    /// Whether the client waits for 100 before it sends the body.
    pub expects_continue: bool,
    /// Whether the client accepts trailers.
    pub accepts_trailers: bool,
    /// The protocol the client offers to change to.
    pub upgrade: Option<Upgrade>,
    /// The request line with its end, while it may be sent just as it came.
    pub(crate) line: Span,
    pub(crate) method_text: Span,
    /// As received: in one of the forms of RFC 9112, section 3.2.
    pub(crate) target: Span,
    pub(crate) authority: Span,
    pub(crate) host: Span,
    pub(crate) port: Option<u16>,
    pub(crate) path: Span,
    /// The path as it came, where upstreams get that.
    pub(crate) received: Option<Span>,
    pub(crate) query: Option<Span>,
    /// Where a path is written while its received form is still read.
    scratch: Vec<u8>,
}

impl Request {
    /// Forgets the request and keeps the memory.
    pub fn clear(&mut self) {
        let (mut head, scratch) = (std::mem::take(&mut self.head), std::mem::take(&mut self.scratch));
        head.clear();
        *self = Request { head, scratch, ..Request::default() };
    }

    /// The method as written.
    pub fn method_text(&self) -> &[u8] {
        self.method_text.of(&self.head.text)
    }

    /// Host and port as written; empty if an HTTP/1.0 client named none.
    pub fn authority(&self) -> &[u8] {
        self.authority.of(&self.head.text)
    }

    /// The host in lower case, without port and final dot; empty if an HTTP/1.0 client named none.
    pub fn host(&self) -> &str {
        self.text(self.host)
    }

    /// The port the client wrote, or that of the scheme.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(self.scheme.default_port())
    }

    /// The normalised path; `*` for `OPTIONS *`.
    pub fn path(&self) -> &str {
        self.text(self.path)
    }

    /// The path that upstreams get: the normal form, unless they are to get it as it came and nobody has changed it.
    pub fn path_up(&self) -> &str {
        self.text(self.received.unwrap_or(self.path))
    }

    /// The query as received, without `?`.
    pub fn query(&self) -> Option<&[u8]> {
        self.query.map(|span| span.of(&self.head.text))
    }

    /// The target as received, for logs.
    pub fn target(&self) -> &[u8] {
        self.target.of(&self.head.text)
    }

    /// Gives the request another method.
    pub fn set_method(&mut self, method: &[u8]) -> Result<(), Error> {
        if method.is_empty() || !method.iter().copied().all(is_token_byte) {
            return Err(Error::Unwritable);
        }
        self.method = Method::parse(method);
        self.method_text = self.head.store(&[method]);
        self.line = Span::default();
        Ok(())
    }

    /// Gives the request another path, which must be normal already.
    pub fn set_path(&mut self, parts: &[&[u8]]) -> Result<(), Error> {
        let fits = parts.iter().find_map(|part| part.first()) == Some(&b'/')
            && parts
                .iter()
                .flat_map(|part| part.iter())
                .all(|&byte| uri::path_class(byte) != uri::PathClass::Refused);
        if !fits {
            return Err(Error::Target);
        }
        self.path = self.head.store(parts);
        (self.line, self.received) = (Span::default(), None);
        Ok(())
    }

    /// Cuts the first bytes off the path, which stays absolute.
    pub fn strip_path_prefix(&mut self, bytes: usize) {
        let rest = Span::new(self.path.start as usize + bytes, self.path.end as usize);
        (self.line, self.received) = (Span::default(), None);
        if rest.of(&self.head.text).first() == Some(&b'/') {
            self.path = rest;
            return;
        }
        let start = self.head.store(&[b"/"]).start as usize;
        if !rest.is_empty() {
            self.head.text.extend_from_within(rest.range());
        }
        self.path = Span::new(start, self.head.text.len());
    }

    /// Gives the request another query, or none.
    pub fn set_query(&mut self, query: Option<&[u8]>) -> Result<(), Error> {
        if query.is_some_and(|query| !query.iter().copied().all(uri::is_query_byte)) {
            return Err(Error::Target);
        }
        self.query = query.map(|query| self.head.store(&[query]));
        self.line = Span::default();
        Ok(())
    }

    /// Gives the request another host, as it goes to the upstream; routing has happened.
    pub fn set_authority(&mut self, authority: &[u8]) -> Result<(), Error> {
        Host::parse(authority)?;
        self.head.set("Host", authority)?;
        self.authority = self.head.store(&[authority]);
        Ok(())
    }

    /// Starts a request that did not come as HTTP/1 text: pseudo-fields first, then fields, then [`Request::settle`].
    pub fn begin(&mut self, scheme: Scheme, method: &[u8], authority: &[u8], target: &[u8]) {
        self.clear();
        (self.version, self.scheme, self.persistent) = (Version::Http2, scheme, true);
        self.method = Method::parse(method);
        self.method_text = self.head.store(&[method]);
        self.authority = self.head.store(&[authority]);
        self.target = self.head.store(&[target]);
    }

    fn text(&self, span: Span) -> &str {
        std::str::from_utf8(span.of(&self.head.text)).unwrap_or_default()
    }

    /// Reads what the connection fields say, before they are stripped.
    pub(crate) fn read_connection(&mut self) {
        const FIELDS: NameSet = NameSet::of(&[Name::Connection, Name::Upgrade, Name::Te]);
        self.persistent = self.version >= Version::Http11;
        if !self.head.may_have(FIELDS) {
            return;
        }
        if hop::connection_has(&self.head, "close") {
            self.persistent = false;
        } else if self.version == Version::Http10 {
            self.persistent = hop::connection_has(&self.head, "keep-alive");
        }
        self.accepts_trailers = hop::accepts_trailers(&self.head);
        if self.version == Version::Http11 && hop::connection_has(&self.head, "upgrade") {
            self.upgrade = self.head.known(Name::Upgrade).map(|protocol| {
                if protocol.eq_ignore_ascii_case(b"websocket") { Upgrade::WebSocket } else { Upgrade::Other }
            });
        }
    }
}

#[cfg(test)]
mod tests;
