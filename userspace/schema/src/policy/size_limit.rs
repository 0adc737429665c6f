//! `size_limit`: refuses requests that are larger than a route wants.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::reader::Reader;
use crate::section::section;
use crate::shield::Mode;
use crate::span::{At, Span};
use crate::value::{Checked, Size};

section! {
    /// Refuses requests that are larger than a route wants. What a listener allows is the most it can be.
    pub struct SizeLimit "size_limit" [checked, needed] {
        /// Bytes of the body.
        pub body: Option<At<Size>>,
        /// Bytes of all headers.
        pub headers: Option<At<Size>>,
        /// Bytes of path and query.
        pub target: Option<At<Size>>,
        /// A body must say how long it is.
        pub require_length: At<bool> = false,
        /// `observe` counts what it would refuse, and lets it pass.
        pub mode: At<Mode> = Mode::Enforce,
    }
}

impl Checked for SizeLimit {
    fn check(&self, span: Span, reader: &mut Reader<'_>) {
        if self.body.is_none()
            && self.headers.is_none()
            && self.target.is_none()
            && !self.require_length.value
        {
            let found = Diagnostic::new(Code::Empty, span, "this limit has no number");
            reader.push(found.hint("Give `body`, `headers`, `target` or `require_length`."));
        }
    }
}
