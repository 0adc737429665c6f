//! `acl`: lets in only some groups, or keeps some out.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::reader::Reader;
use crate::section::section;
use crate::span::{At, Span};
use crate::value::{Checked, Name};

section! {
    /// Lets in only some groups of consumers, or keeps some out. Stands behind a policy that finds out who it is.
    pub struct Acl "acl" [checked, needed] {
        /// Groups that may pass; left out, all.
        pub allow: Vec<At<Name>>,
        /// Groups that may not, even if another of theirs may.
        pub deny: Vec<At<Name>>,
    }
}

impl Checked for Acl {
    fn check(&self, span: Span, reader: &mut Reader<'_>) {
        if self.allow.is_empty() && self.deny.is_empty() {
            let found = Diagnostic::new(Code::Empty, span, "this list of groups names none");
            reader.push(found.hint("Give `allow`, `deny` or both."));
        }
    }
}
