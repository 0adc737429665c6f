//! `request_id`: gives every request a name.

use crate::section::{section, words};
use crate::span::At;
use crate::value::HeaderName;

section! {
    /// Gives every request an id that the upstream, logs, error bodies and bans have in common.
    pub struct RequestId "request_id" {
        /// The header that carries it.
        pub header: At<HeaderName> = HeaderName("X-Request-ID".to_owned()),
        /// Whose ids are kept, if they are well-formed.
        pub trust: At<Trust> = Trust::Proxies,
        /// Tell the client.
        pub echo: At<bool> = true,
    }
}

words! {
    /// Whose ids are kept.
    pub enum Trust "whom to trust" {
        /// Nobody's: every request gets a new one.
        Never = "never",
        /// Those that come through a trusted proxy.
        Proxies = "proxies",
        /// Everybody's.
        Always = "always",
    }
}
