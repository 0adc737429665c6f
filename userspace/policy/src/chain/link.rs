//! The enum of all policies: which one stands at a place is known by a tag, so no call goes through a table.
use super::{Policy, Rank};
use crate::jwt::{Source, Verifier};
use crate::{Build, Client, End, Flow, Leave, Now, Visit};
use std::sync::Arc;
use weir_schema::policy as written;

/// Declares the enum and hands each hook to the policy inside. A new policy is one word here.
macro_rules! links {
    ($($name:ident)+) => {
        use crate::{$($name),+};

        /// Any policy. It is shared by all routes that name it, and so are its counters.
        #[derive(Clone, Debug)]
        #[expect(missing_docs, reason = "each variant is the policy of that name")]
        pub enum Link { $($name(Arc<$name>)),+ }

        impl Link {
            /// When it is asked.
            pub fn rank(&self) -> Rank {
                match self { $(Link::$name(policy) => policy.rank()),+ }
            }

            /// Compiles a policy as it is written. Nothing comes of one that is switched off, or wrong.
            pub(crate) fn compile(policy: &written::Policy, build: &mut Build<'_>) -> Option<Link> {
                match policy {
                    $(written::Policy::$name(policy) => $name::compile(policy, build).map(Arc::new).map(Link::$name)),+
                }
            }
        }

        impl Policy for Link {
            fn connect(&self, client: &Client, now: Now) -> Flow {
                match self { $(Link::$name(policy) => policy.connect(client, now)),+ }
            }

            fn request(&self, visit: &mut Visit<'_>) -> Flow {
                match self { $(Link::$name(policy) => policy.request(visit)),+ }
            }

            fn response(&self, leave: &mut Leave<'_>) {
                match self { $(Link::$name(policy) => policy.response(leave)),+ }
            }

            fn finish(&self, end: &mut End<'_>) {
                match self { $(Link::$name(policy) => policy.finish(end)),+ }
            }
        }
    };
}

impl Link {
    /// Who issues the tokens that this policy believes, and where their keys come from.
    pub fn issuers(&self) -> Vec<(&Arc<Verifier>, &Source)> {
        match self {
            Link::Jwt(jwt) => vec![(&jwt.verifier, &jwt.source)],
            Link::AnyOf(any) => any.links().iter().flat_map(Link::issuers).collect(),
            _ => Vec::new(),
        }
    }
}

links! { Acl AnyOf Cors Headers IpList Jwt KeyAuth RateLimit RequestId SizeLimit Verdicts }
