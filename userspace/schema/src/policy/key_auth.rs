//! `key_auth`: lets only requests with a known API key pass.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::reader::Reader;
use crate::section::section;
use crate::span::{At, Span};
use crate::value::{Checked, HashKey, Name};

section! {
    /// Lets only requests with a known API key pass. The keys stand with their `consumers`; the upstream is told which one it was by the first digits of its SHA-256, as `weir hash-key` prints it.
    pub struct KeyAuth "key_auth" [checked] {
        /// Headers, cookies or query parameters that may carry the key.
        pub from: Vec<At<HashKey>> = HashKey::Header("X-API-Key".to_owned()),
        /// Pass the key on; otherwise the upstream does not see it.
        pub forward: At<bool> = true,
        /// Let requests without a key pass; a wrong key is refused all the same.
        pub optional: At<bool> = false,
        /// The consumer that requests without a key stand for, with `optional`.
        pub anonymous: Option<At<Name>>,
        /// The realm in challenges.
        pub realm: At<String> = "weir".to_owned(),
    }
}

impl Checked for KeyAuth {
    fn check(&self, _span: Span, reader: &mut Reader<'_>) {
        carriers(&self.from, reader);
        realm(&self.realm, reader);
        anonymous(self.anonymous.as_ref(), &self.optional, reader);
    }
}

/// A credential stands in a header, a cookie or a query parameter.
pub(super) fn carriers(from: &[At<HashKey>], reader: &mut Reader<'_>) {
    for place in from {
        if !matches!(place.value, HashKey::Header(_) | HashKey::Cookie(_) | HashKey::Query(_)) {
            let found = Diagnostic::new(Code::HashKey, place.span, "a credential cannot stand there");
            reader.push(found.hint("It is `header`, `cookie` or `query` and a name."));
        }
    }
}

/// A realm is written between quotes as it is.
pub(super) fn realm(realm: &At<String>, reader: &mut Reader<'_>) {
    if realm.value.bytes().any(|byte| matches!(byte, b'"' | b'\\') || !(b' '..=b'~').contains(&byte)) {
        reader.push(Diagnostic::new(
            Code::Header,
            realm.span,
            "a realm is plain text without quotes and backslashes",
        ));
    }
}

/// Who stands for nobody only matters where nobody may pass.
pub(super) fn anonymous(anonymous: Option<&At<Name>>, optional: &At<bool>, reader: &mut Reader<'_>) {
    if let (Some(name), false) = (anonymous, optional.value) {
        let found = Diagnostic::new(Code::Conflict, name.span, "requests without a credential are refused");
        reader.push(found.hint("Write `optional: true` to let them pass as this consumer."));
    }
}
