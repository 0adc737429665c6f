//! Answers that need no upstream: `redirect` and `respond`.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::node::Node;
use crate::reader::Reader;
use crate::section::section;
use crate::shape::Shape;
use crate::span::{At, Span};
use crate::value::{Checked, FilePath, Leaf, Map, Piece, Short, Status, Template, Value, Variable};

section! {
    /// Sends the client elsewhere.
    pub struct Redirect "redirect" [short, checked] {
        /// Where to; `https` alone means the same place by HTTPS.
        pub to: At<Template>,
        /// With which status: 301, 302, 303, 307 or 308.
        pub status: At<Status> = Status(308),
    }
}

impl Short for Redirect {
    fn short(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let to = if node.scalar().is_some_and(|scalar| scalar.text == "https") {
            let [host, path, query] = [Variable::Host, Variable::Path, Variable::Query].map(Piece::Variable);
            Template { pieces: vec![Piece::Text("https://".to_owned()), host, path, query] }
        } else {
            Template::read(node, reader)?
        };
        Some(Self { to: At::new(to, node.span), status: At::implied(Status(308)) })
    }

    fn short_shape() -> Shape {
        Shape::Text { what: "where to, such as `https`", example: "https" }
    }
}

impl Checked for Redirect {
    fn check(&self, _span: Span, reader: &mut Reader<'_>) {
        if !matches!(self.status.value, Status(301 | 302 | 303 | 307 | 308)) {
            let message = format!("{} is not the status of a redirect", self.status.value.spell());
            let found = Diagnostic::new(Code::Status, self.status.span, message);
            reader.push(found.hint("308 and 307 keep the method; 301, 302 and 303 may turn it into GET; 301 and 308 are remembered."));
        }
    }
}

section! {
    /// Answers by itself.
    pub struct Respond "respond" [checked] {
        /// The status.
        pub status: At<Status> = Status(200),
        /// The body as text.
        pub body: Option<At<String>>,
        /// The body from a file, such as a maintenance page; read at each reload.
        pub file: Option<At<FilePath>>,
        /// The type of the body.
        pub content_type: At<String> = "text/plain; charset=utf-8".to_owned(),
        /// Further headers.
        pub headers: Map<Template>,
    }
}

impl Checked for Respond {
    fn check(&self, _span: Span, reader: &mut Reader<'_>) {
        if let (Some(body), Some(file)) = (&self.body, &self.file) {
            let found = Diagnostic::new(Code::Conflict, file.span, "`body` and `file` are both the body");
            reader.push(found.also(body.span, "the other").hint("Keep one of the two."));
        }
    }
}
