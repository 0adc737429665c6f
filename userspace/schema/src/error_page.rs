//! `error_pages` of a listener: what weir's own error answers look like.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::reader::Reader;
use crate::section::section;
use crate::span::{At, Span};
use crate::value::{Checked, FilePath, StatusRange};

section! {
    /// How errors that weir answers itself look. In each file `{status}`, `{title}`, `{detail}` and `{request_id}` are filled
    /// in; other braces stay.
    pub struct ErrorPage "error page" [checked] {
        /// For which statuses: `404`, `502-504`, `5xx`. The first page that names the status is used.
        pub status: Vec<At<StatusRange>>,
        /// For those who ask for HTML. What has no file looks as usual.
        pub html: Option<At<FilePath>>,
        /// For those who ask for plain text.
        pub text: Option<At<FilePath>>,
        /// For everybody else.
        pub json: Option<At<FilePath>>,
    }
}

impl Checked for ErrorPage {
    fn check(&self, span: Span, reader: &mut Reader<'_>) {
        if self.status.is_empty() {
            let found = Diagnostic::new(Code::MissingKey, span, "`status` is missing in an `error page`");
            reader.push(found.hint("Say for which answers, for instance `status: 5xx`."));
        }
        if self.html.is_none() && self.text.is_none() && self.json.is_none() {
            let found = Diagnostic::new(Code::MissingKey, span, "an `error page` names no file");
            reader.push(found.hint("Name one, for instance `html: /etc/weir/errors/5xx.html`."));
        }
        let is_error = |range: &At<StatusRange>| range.first >= 400;
        if let Some(range) = self.status.iter().find(|range| !is_error(range)) {
            let found = Diagnostic::new(Code::Status, range.span, "this is not the status of an error");
            reader.push(found.hint("Errors have statuses between 400 and 599."));
        }
    }
}
