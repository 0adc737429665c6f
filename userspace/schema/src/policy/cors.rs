//! `cors`: tells browsers what pages of other origins may do.

use std::time::Duration;

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::reader::Reader;
use crate::section::section;
use crate::span::{At, Span};
use crate::value::{Checked, HeaderName, Method};

section! {
    /// Tells browsers what pages of other origins may do (Fetch). Preflights are answered before anything else is asked.
    pub struct Cors "cors" [checked, needed] {
        /// Origins that may: `https://app.example.com`, `https://*.example.com`, or `"*"` for all.
        pub origins: Vec<At<String>>,
        /// Methods they may use; left out, the usual ones.
        pub methods: Vec<At<Method>>,
        /// Headers they may send; left out, those they ask for.
        pub headers: Vec<At<HeaderName>>,
        /// Headers of answers they may read, beside the plainest.
        pub expose: Vec<At<HeaderName>>,
        /// They may send cookies and other credentials.
        pub credentials: At<bool> = false,
        /// How long browsers may remember what they were told.
        pub max_age: Option<At<Duration>>,
        /// Pages of the internet may reach this host in a private network.
        pub private_network: At<bool> = false,
        /// Preflights go on to the upstream.
        pub run_on_preflight: At<bool> = false,
    }
}

impl Checked for Cors {
    fn check(&self, span: Span, reader: &mut Reader<'_>) {
        if self.origins.is_empty() {
            let found = Diagnostic::new(Code::MissingKey, span, "no origin is allowed");
            reader.push(found.hint("Give `origins: https://app.example.com`, or `origins: \"*\"` for all."));
        }
        for origin in &self.origins {
            let any = origin.value == "*";
            if any && self.credentials.value {
                let message = "credentials cannot be shared with all origins";
                let found = Diagnostic::new(Code::Cors, origin.span, message);
                let found = found.also(self.credentials.span, "`credentials` is set here");
                reader.push(found.hint("Name the origins that may send cookies."));
            } else if !any && !is_origin(&origin.value) {
                let message = format!("`{}` is not an origin", origin.value);
                let found = Diagnostic::new(Code::Url, origin.span, message);
                reader.push(found.hint("It is a scheme and a host in lower case, with a port if it is not the usual one, and nothing behind: `https://app.example.com`."));
            }
        }
    }
}

fn is_origin(text: &str) -> bool {
    let host = text.split_once("://").filter(|(scheme, _)| !scheme.is_empty()).map(|(_, host)| host);
    let host = host.map(|host| host.strip_prefix("*.").unwrap_or(host));
    let is_fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:[]".contains(&byte);
    host.is_some_and(|host| !host.is_empty() && host.bytes().all(is_fine))
}
