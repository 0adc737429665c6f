//! `paths`: what is done about the parts of a path on which servers disagree.

use crate::section::{section, words};
use crate::span::At;

section! {
    /// What is done about the parts of a path on which servers disagree, before a route is looked for.
    pub struct Paths "paths" {
        /// `%2F` and `%5C`, which some servers take for separators.
        pub escaped_slashes: At<EscapedSlashes> = EscapedSlashes::Refuse,
        /// `//`, which some servers take for `/`.
        pub empty_segments: At<EmptySegments> = EmptySegments::Merge,
        /// `/./` and `/../`, escaped or not.
        pub dot_segments: At<DotSegments> = DotSegments::Resolve,
        /// What upstreams are asked for, where no route changes the path.
        pub forward: At<PathForm> = PathForm::Normal,
    }
}

words! {
    /// What is done about an escaped slash or backslash.
    pub enum EscapedSlashes "a way to treat escaped slashes" {
        /// 400.
        Refuse = "refuse",
        /// It stays escaped, and separates nothing; beside dots it is refused all the same.
        Keep = "keep",
    }
}

words! {
    /// What is done about an empty segment.
    pub enum EmptySegments "a way to treat empty segments" {
        /// It goes.
        Merge = "merge",
        /// It stays, and routes see it.
        Keep = "keep",
    }
}

words! {
    /// What is done about a segment of dots.
    pub enum DotSegments "a way to treat segments of dots" {
        /// It is resolved (RFC 3986, section 5.2.4); above the root it is refused.
        Resolve = "resolve",
        /// 400.
        Refuse = "refuse",
    }
}

words! {
    /// The form in which a path goes to upstreams.
    pub enum PathForm "a form of the path" {
        /// The one that routes and policies have seen.
        Normal = "normal",
        /// As the client wrote it, for instance because it has signed it.
        Received = "received",
    }
}
