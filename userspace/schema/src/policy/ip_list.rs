//! `ip_list`: lets in only some networks, or keeps some out.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::reader::Reader;
use crate::section::section;
use crate::shield::Mode;
use crate::span::{At, Span};
use crate::value::{Checked, Cidr};

section! {
    /// Lets in only some networks, or keeps some out, by the client's address as trusted proxies name it. The longest prefix decides.
    pub struct IpList "ip_list" [checked, needed] {
        /// Networks that may pass; left out, all.
        pub allow: Vec<At<Cidr>>,
        /// Networks that may not.
        pub deny: Vec<At<Cidr>>,
        /// `observe` counts whom it would refuse, and lets them pass.
        pub mode: At<Mode> = Mode::Enforce,
    }
}

impl Checked for IpList {
    fn check(&self, span: Span, reader: &mut Reader<'_>) {
        if self.allow.is_empty() && self.deny.is_empty() {
            let found = Diagnostic::new(Code::Empty, span, "this list names no network");
            reader.push(found.hint("Give `allow`, `deny` or both."));
        }
    }
}
