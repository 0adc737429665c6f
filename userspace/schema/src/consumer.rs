//! `consumers`: who calls, how they are recognised, and which groups they are in.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::policy::PolicyUse;
use crate::reader::Reader;
use crate::section::section;
use crate::span::{At, Span};
use crate::value::{Checked, Map, Name, Secret, TextMatch};

section! {
    /// Someone who calls.
    pub struct Consumer "consumer" [checked] {
        /// Groups, for `acl` and for limits by group.
        pub groups: Vec<At<Name>>,
        /// API keys, for `key_auth`.
        pub keys: Vec<At<Secret>>,
        /// Claims of a verified token that make its bearer this consumer, for `jwt`.
        pub claims: Map<TextMatch>,
        /// The name of a client certificate that makes its bearer this consumer: an alternative name, DNS names in lower case,
        /// or the common name.
        pub certificate: Option<At<String>>,
        /// What another system calls this consumer; passed upstream.
        pub custom_id: Option<At<String>>,
        /// Policies for this consumer, after those of the route that recognised it.
        pub policies: Vec<At<PolicyUse>>,
    }
}

impl Checked for Consumer {
    fn check(&self, span: Span, reader: &mut Reader<'_>) {
        if self.keys.is_empty() && self.claims.is_empty() && self.certificate.is_none() {
            let found =
                Diagnostic::new(Code::UnusedConsumer, span, "nothing tells that someone is this consumer");
            reader.push(found.hint("Give it `keys`, `claims` or a `certificate`; `jwt` also finds consumers by their name in a claim."));
        }
    }
}
