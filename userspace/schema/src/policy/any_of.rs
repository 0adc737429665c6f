//! `any_of`: lets a request pass that shows one of several credentials.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::policy::{Jwt, KeyAuth};
use crate::reader::Reader;
use crate::section::section;
use crate::span::{At, Span};
use crate::value::Checked;

section! {
    /// Lets a request pass that shows one of several credentials. All of them are needed where they stand in one chain.
    pub struct AnyOf "any_of" [checked, needed] {
        /// Tokens, of one issuer or several.
        pub jwt: Vec<At<Jwt>>,
        /// API keys.
        pub key_auth: Vec<At<KeyAuth>>,
    }
}

impl Checked for AnyOf {
    fn check(&self, span: Span, reader: &mut Reader<'_>) {
        if self.jwt.len().saturating_add(self.key_auth.len()) < 2 {
            let found = Diagnostic::new(Code::Empty, span, "a choice of one credential is none");
            reader.push(found.hint("Give at least two of `jwt` and `key_auth`; `jwt` may be a list."));
        }
        let optional = self.jwt.iter().map(|jwt| &jwt.value.optional);
        for optional in optional.chain(self.key_auth.iter().map(|key| &key.value.optional)) {
            if optional.value {
                let message = "with a credential that may be missing, the others are never asked for";
                reader.push(Diagnostic::new(Code::Conflict, optional.span, message));
            }
        }
    }
}
