//! What must hold for a request of any version before anyone acts on it: method, target, host, framing.
use super::{Request, Scheme, Version};
use crate::{Error, Framing, Host, Method, Name, NameSet, span::Span, uri};

impl Request {
    /// Checks the request and fills in host, path, query and framing.
    pub fn settle(&mut self, rules: uri::Rules) -> Result<(), Error> {
        if matches!(self.method, Method::Connect | Method::Trace) {
            return Err(Error::MethodRefused);
        }
        self.settle_target(rules)?;
        self.settle_host()?;
        self.framing = Framing::of_request(&self.head, self.version)?;
        self.canonical_length()?;
        self.settle_expectation()?;
        self.read_connection();
        Ok(())
    }

    /// RFC 9112, section 3.2: which form the target has.
    fn settle_target(&mut self, rules: uri::Rules) -> Result<(), Error> {
        let target = self.target.of(&self.head.text);
        let path_start = match target {
            [b'/', ..] => 0,
            b"*" if self.method == Method::Options => {
                self.path = self.target;
                return Ok(());
            }
            _ if self.version == Version::Http2 => return Err(Error::Target),
            _ => self.settle_absolute()?,
        };
        self.settle_path(path_start, rules)
    }

    /// RFC 9112, section 3.2.2: scheme and authority of the absolute form. Returns where the path begins.
    fn settle_absolute(&mut self) -> Result<usize, Error> {
        let target = self.target.of(&self.head.text);
        let (scheme, skip) = match target {
            _ if starts_with_ignoring_case(target, b"http://") => (Scheme::Http, 7),
            _ if starts_with_ignoring_case(target, b"https://") => (Scheme::Https, 8),
            _ => return Err(Error::Target),
        };
        if scheme != self.scheme {
            return Err(Error::HostMismatch);
        }
        let rest = target.get(skip..).unwrap_or_default();
        let authority = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        if authority == 0 {
            return Err(Error::Host);
        }
        let start = self.target.start as usize + skip;
        self.authority = Span::new(start, start + authority);
        self.line = Span::default();
        Ok(skip + authority)
    }

    /// Splits path and query behind `from` and normalises the path.
    fn settle_path(&mut self, from: usize, rules: uri::Rules) -> Result<(), Error> {
        let start = self.target.start as usize + from;
        let whole = Span::new(start, self.target.end as usize);
        let text = whole.of(&self.head.text);
        let path_len = text.iter().position(|&byte| byte == b'?').unwrap_or(text.len());
        let (path, query) = text.split_at_checked(path_len).unwrap_or_default();
        if !query.iter().copied().all(uri::is_query_byte) {
            return Err(Error::Target);
        }
        if !query.is_empty() {
            self.query = Some(Span::new(start + path_len + 1, self.target.end as usize));
        }
        let path =
            if path.is_empty() { self.head.store(&[b"/"]) } else { Span::new(start, start + path_len) };
        self.normalise(path, rules)
    }

    /// The normal form is written behind the text, by way of a second buffer because it is read meanwhile.
    fn normalise(&mut self, path: Span, rules: uri::Rules) -> Result<(), Error> {
        self.path = path;
        self.scratch.clear();
        let received = path.of(&self.head.text);
        if uri::normalise(received, rules, &mut self.scratch)? && self.scratch != received {
            self.path = self.head.store(&[&self.scratch]);
            if rules.as_received {
                self.received = Some(path);
            } else {
                self.line = Span::default();
            }
        }
        Ok(())
    }

    /// RFC 9112, section 3.2: exactly one `Host`, equal to the authority of the target if that has one.
    fn settle_host(&mut self) -> Result<(), Error> {
        let mut hosts = self.head.every(Name::Host);
        let (first, second) = (hosts.next(), hosts.next());
        drop(hosts);
        let named = !self.authority.is_empty();
        match (first, second) {
            (_, Some(_)) => return Err(Error::HostCount),
            (None, None) if !named && self.version != Version::Http10 => return Err(Error::HostCount),
            (Some(host), None) if named && !host.eq_ignore_ascii_case(self.authority()) => {
                return Err(Error::HostMismatch);
            }
            (Some(host), None) if !named => self.authority = Span::within(&self.head.text, host),
            (None, None) if !named => {
                return Ok(());
            }
            _ => {}
        }
        let host = Host::parse(self.authority.of(&self.head.text))?;
        (self.port, self.host) = (host.port, host.span(&self.head.text));
        self.lower_host();
        Ok(())
    }

    fn lower_host(&mut self) {
        let range = self.host.range();
        if self.host.of(&self.head.text).iter().any(u8::is_ascii_uppercase) {
            let start = self.head.text.len();
            self.head.text.extend_from_within(range);
            if let Some(copy) = self.head.text.get_mut(start..) {
                copy.make_ascii_lowercase();
            }
            self.host = Span::new(start, self.head.text.len());
        }
    }

    /// A length with leading zeros is accepted and written anew, since not everyone reads it as decimal.
    fn canonical_length(&mut self) -> Result<(), Error> {
        match (self.framing, self.head.known(Name::ContentLength)) {
            (Framing::Length(length), Some([b'0', _, ..])) => {
                self.head.set("Content-Length", length.to_string().as_bytes())
            }
            _ => Ok(()),
        }
    }

    /// RFC 9110, section 10.1.1: `100-continue` is the only expectation there is. Without a body there is
    /// nothing to wait for, and HTTP/1.0 knows no interim answers.
    fn settle_expectation(&mut self) -> Result<(), Error> {
        if !self.head.may_have(NameSet::of(&[Name::Expect])) {
            return Ok(());
        }
        let mut expectations = self.head.every(Name::Expect);
        if !expectations.all(|value| value.eq_ignore_ascii_case(b"100-continue")) {
            return Err(Error::Expectation);
        }
        drop(expectations);
        self.expects_continue = self.version >= Version::Http11 && !self.framing.is_empty();
        Ok(())
    }
}

fn starts_with_ignoring_case(text: &[u8], prefix: &[u8]) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}
