//! Lets in only some groups, or keeps some out.
use crate::Build;
use crate::library::texts;
use crate::{Flow, Policy, Rank, Reply, Visit};
use weir_schema::policy as written;
use weir_wire::Reason;

/// Groups that may pass and groups that may not; the second list wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acl {
    /// One of these is needed, unless the list is empty.
    pub allow: Vec<Box<str>>,
    /// None of these may be present.
    pub deny: Vec<Box<str>>,
}

impl Acl {
    pub(crate) fn compile(written: &written::Acl, _: &mut Build<'_>) -> Option<Acl> {
        Some(Acl { allow: texts(&written.allow), deny: texts(&written.deny) })
    }

    pub(crate) fn rank(&self) -> Rank {
        Rank::Member
    }
}

impl Policy for Acl {
    /// Authenticated but forbidden is 403 (RFC 9110, section 15.5.4), never 401.
    fn request(&self, visit: &mut Visit<'_>) -> Flow {
        let identity = &visit.pass.identity;
        let denied = self.deny.iter().any(|group| identity.is_in(group));
        let allowed = self.allow.is_empty() || self.allow.iter().any(|group| identity.is_in(group));
        if allowed && !denied {
            return Flow::Next;
        }
        Flow::Reply(Reply::refuse(403, Reason::Denied, "not a member of an allowed group"))
    }
}
