//! `hsts`: what browsers are told so that they never ask for a host in the clear (RFC 6797).

use std::time::Duration;

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::node::Node;
use crate::reader::Reader;
use crate::section::section;
use crate::shape::Shape;
use crate::span::{At, Span};
use crate::value::{Checked, Leaf, Short, Value};

/// What the lists that browsers come with ask for.
const PRELOAD_MIN: Duration = Duration::from_secs(365 * 86_400);

section! {
    /// Browsers are told to come by TLS only: `Strict-Transport-Security` in every answer (RFC 6797).
    pub struct Hsts "hsts" [short, checked] {
        /// For how long a browser remembers it; `0s` makes it forget.
        pub max_age: At<Duration>,
        /// It holds for all names below the host as well.
        pub subdomains: At<bool> = false,
        /// The host may be put on the list that browsers come with; needs `subdomains` and a year.
        pub preload: At<bool> = false,
    }
}

impl Short for Hsts {
    fn short(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let max_age = At::new(Duration::read(node, reader)?, node.span);
        Some(Self { max_age, subdomains: At::implied(false), preload: At::implied(false) })
    }

    fn short_shape() -> Shape {
        Shape::Text { what: "how long a browser remembers it, such as `365d`", example: "365d" }
    }
}

impl Checked for Hsts {
    fn check(&self, _span: Span, reader: &mut Reader<'_>) {
        if !self.preload.value {
            return;
        }
        if !self.subdomains.value {
            let found = Diagnostic::new(Code::MissingKey, self.preload.span, "`preload` needs `subdomains`");
            reader.push(found.hint("Write `subdomains: true` if no name below this one is served in the clear; else leave `preload` out."));
        }
        if self.max_age.value < PRELOAD_MIN {
            let message = format!("`preload` needs `365d` or more, and this is `{}`", self.max_age.spell());
            reader.push(Diagnostic::new(Code::Duration, self.max_age.span, message));
        }
    }
}

impl Hsts {
    /// The value of `Strict-Transport-Security`.
    #[must_use]
    pub fn value(&self) -> String {
        let below = if self.subdomains.value { "; includeSubDomains" } else { "" };
        let listed = if self.preload.value { "; preload" } else { "" };
        format!("max-age={}{below}{listed}", self.max_age.as_secs())
    }
}
