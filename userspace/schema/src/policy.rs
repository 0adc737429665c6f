//! `policies`: what judges requests. One file for each kind; here is only the list of them.
//!
//! A new kind is a file in `policy/`, a line in `Policy` and one in the list of modules.

mod acl;
mod any_of;
mod cors;
mod headers;
mod ip_list;
mod jwt;
mod key_auth;
mod rate_limit;
mod request_id;
mod size_limit;
mod verdicts;

use crate::node::{Kind, Node};
use crate::reader::Reader;
use crate::section::choice;
use crate::shape::Shape;
use crate::shown::Shown;
use crate::value::{Name, Value};

pub use acl::Acl;
pub use any_of::AnyOf;
pub use cors::Cors;
pub use headers::{HeaderEdits, Headers};
pub use ip_list::IpList;
pub use jwt::{Jwt, JwtAlgorithm, JwtKey, TokenCache};
pub use key_auth::KeyAuth;
pub use rate_limit::{Algorithm, LimitHeaders, OnStoreError, RateLimit, Windows};
pub use request_id::{RequestId, Trust};
pub use size_limit::SizeLimit;
pub use verdicts::{REASONS, Verdicts};

choice! {
    /// What judges a request.
    pub enum Policy "a policy" {
        /// Lets only requests with a valid token pass.
        Jwt(Box<Jwt>) = "jwt",
        /// Lets only requests with a known API key pass.
        KeyAuth(Box<KeyAuth>) = "key_auth",
        /// Lets a request pass that shows one of several credentials.
        AnyOf(Box<AnyOf>) = "any_of",
        /// Lets in only some groups, or keeps some out.
        Acl(Box<Acl>) = "acl",
        /// Lets in only some networks, or keeps some out.
        IpList(Box<IpList>) = "ip_list",
        /// Tells browsers what pages of other origins may do.
        Cors(Box<Cors>) = "cors",
        /// Gives every request a name.
        RequestId(Box<RequestId>) = "request_id",
        /// Refuses requests that are larger than wanted.
        SizeLimit(Box<SizeLimit>) = "size_limit",
        /// Lets only so many requests pass.
        RateLimit(Box<RateLimit>) = "rate_limit",
        /// Changes headers.
        Headers(Box<Headers>) = "headers",
        /// Scores refusals, and bans those who collect too many.
        Verdicts(Box<Verdicts>) = "verdicts",
    }
}

/// A policy in a chain: by name, or written where it is used.
#[derive(Clone, Debug, PartialEq)]
pub enum PolicyUse {
    /// One of `policies`.
    Named(Name),
    /// Written here; also a kind's bare word, where no policy has that name.
    Inline(Box<Policy>),
}

impl Value for PolicyUse {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if matches!(node.kind, Kind::Map(_)) {
            return Policy::read(node, reader).map(|policy| Self::Inline(Box::new(policy)));
        }
        Name::read(node, reader).map(Self::Named)
    }

    fn show(&self) -> Shown {
        match self {
            Self::Named(name) => name.show(),
            Self::Inline(policy) => policy.show(),
        }
    }

    fn shape() -> Shape {
        Shape::Any(vec![<Name as Value>::shape(), Policy::shape()])
    }
}
