//! `headers`: changes headers on the way to the upstream and on the way back.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::reader::Reader;
use crate::section::section;
use crate::span::{At, Span};
use crate::value::{Checked, HeaderName, Leaf, Map, Template};

section! {
    /// Changes headers.
    pub struct Headers "headers" {
        /// On the way to the upstream.
        pub request: At<HeaderEdits>,
        /// On the way back.
        pub response: At<HeaderEdits>,
    }
}

section! {
    /// What is done to headers, in this order: remove, rename, set, add, append.
    pub struct HeaderEdits "edits" [checked] {
        /// Taken away.
        pub remove: Vec<At<HeaderName>>,
        /// Called differently, old name to new.
        pub rename: Map<HeaderName>,
        /// Put in place of whatever is there.
        pub set: Map<Template>,
        /// Put there if there is none.
        pub add: Map<Template>,
        /// Put there in addition to what is there.
        pub append: Map<Template>,
    }
}

/// Headers that frame a message or belong to one connection: changing them would change what the message is.
const FRAMING: &[&str] =
    &["connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade", "host"];

impl Checked for HeaderEdits {
    fn check(&self, _span: Span, reader: &mut Reader<'_>) {
        let removed = self.remove.iter().map(|name| (name.value.0.as_str(), name.span));
        let renamed = self
            .rename
            .iter()
            .flat_map(|(old, new)| [(old.value.as_str(), old.span), (new.value.0.as_str(), new.span)]);
        let edited = [&self.set, &self.add, &self.append].into_iter().flat_map(Map::iter);
        let edited = edited.map(|(name, _)| (name.value.as_str(), name.span));
        for (name, span) in removed.chain(renamed).chain(edited) {
            if HeaderName::parse(name).is_err() {
                reader.push(Diagnostic::new(
                    Code::Header,
                    span,
                    format!("`{name}` is not the name of a header"),
                ));
            } else if FRAMING.iter().any(|framing| framing.eq_ignore_ascii_case(name)) {
                let found = Diagnostic::new(Code::Header, span, format!("`{name}` is not changed by hand"));
                reader.push(found.hint(
                    "It says where a message ends and to whom it goes; for the host there is `rewrite.host`.",
                ));
            }
        }
    }
}
