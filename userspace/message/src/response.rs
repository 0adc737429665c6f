//! An answer: its status, its fields, and how its body is delimited. The same form for every HTTP version.
use crate::{Error, Framing, Head, Method, Name, NameSet, Upgrade, Version, hop, span::Span};

/// One answer. Reused from answer to answer; [`Response::clear`] keeps its memory.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// The fields, without those of the connection once [`hop::strip`] has run.
    pub head: Head,
    /// Three digits.
    pub status: u16,
    /// The version of the sender.
    pub version: Version,
    /// How the body is delimited.
    pub framing: Framing,
    /// Whether the sender lets the connection live on.
    pub persistent: bool,
    /// The protocol that a 101 changes to.
    pub upgrade: Option<Upgrade>,
    /// The status line with its end, while it may be sent just as it came.
    pub(crate) line: Span,
}

impl Response {
    /// Forgets the answer and keeps the memory.
    pub fn clear(&mut self) {
        let mut head = std::mem::take(&mut self.head);
        head.clear();
        *self = Response { head, ..Response::default() };
    }

    /// Starts an answer of our own, or one that did not come as HTTP/1 text.
    pub fn begin(&mut self, status: u16) {
        self.clear();
        (self.status, self.persistent) = (status, true);
    }

    /// Changes the status; the reason phrase follows it.
    pub fn set_status(&mut self, status: u16) {
        (self.status, self.line) = (status, Span::default());
    }

    /// Whether this is an interim answer, after which the final one is still to come.
    pub fn is_interim(&self) -> bool {
        matches!(self.status, 100 | 102..=199)
    }

    /// Checks the answer to a request of that method and fills in framing and persistence.
    pub fn settle(&mut self, method: Method) -> Result<(), Error> {
        const CONNECTION: NameSet = NameSet::of(&[Name::Connection, Name::Upgrade]);
        self.framing = Framing::of_response(&self.head, self.version, method, self.status)?;
        self.persistent = self.version >= Version::Http11;
        if self.head.may_have(CONNECTION) {
            if hop::connection_has(&self.head, "close") {
                self.persistent = false;
            } else if self.version == Version::Http10 {
                self.persistent = hop::connection_has(&self.head, "keep-alive");
            }
            self.upgrade = self.head.known(Name::Upgrade).map(|protocol| {
                if protocol.eq_ignore_ascii_case(b"websocket") { Upgrade::WebSocket } else { Upgrade::Other }
            });
        }
        self.persistent &= self.framing != Framing::UntilClose && !self.declares_forbidden_body();
        self.canonical_length()
    }

    /// RFC 9112, section 6.3: 1xx and 204 have no body, so a length is misleading at best: such a peer and we
    /// may disagree about where the next answer begins, and the connection must not be used again.
    fn declares_forbidden_body(&self) -> bool {
        const LENGTH: NameSet = NameSet::of(&[Name::ContentLength, Name::TransferEncoding]);
        matches!(self.status, 100..=199 | 204)
            && self.head.may_have(LENGTH)
            && self.head.known(Name::ContentLength) != Some(b"0")
    }

    fn canonical_length(&mut self) -> Result<(), Error> {
        if matches!(self.status, 100..=199 | 204) {
            self.head.remove_set(NameSet::of(&[Name::ContentLength]));
        }
        match (self.framing, self.head.known(Name::ContentLength)) {
            (Framing::Length(length), Some([b'0', _, ..])) => {
                self.head.set("Content-Length", length.to_string().as_bytes())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(status: u16, version: Version, lines: &[(&str, &str)]) -> Response {
        let mut response = Response::default();
        response.begin(status);
        response.version = version;
        for (name, value) in lines {
            response.head.append(name, value.as_bytes()).unwrap();
        }
        response.settle(Method::Get).unwrap();
        response
    }

    #[test]
    fn connections_live_on_only_when_the_end_is_certain() {
        let length = ("Content-Length", "3");
        assert!(settled(200, Version::Http11, &[length]).persistent);
        assert!(!settled(200, Version::Http11, &[]).persistent);
        assert!(!settled(200, Version::Http11, &[length, ("Connection", "x, Close")]).persistent);
        assert!(!settled(200, Version::Http10, &[length]).persistent);
        assert!(settled(200, Version::Http10, &[length, ("Connection", "Keep-Alive")]).persistent);
        assert!(settled(204, Version::Http11, &[]).persistent);
        assert!(settled(304, Version::Http11, &[length]).persistent);
    }

    #[test]
    fn a24_a_body_where_none_may_be_ends_the_connection() {
        let response = settled(204, Version::Http11, &[("Content-Length", "5")]);
        assert!(!response.persistent);
        assert_eq!(response.head.known(Name::ContentLength), None);
        assert!(settled(204, Version::Http11, &[("Content-Length", "0")]).persistent);
    }
}
