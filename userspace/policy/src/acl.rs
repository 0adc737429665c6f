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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Consumer;
    use crate::scene::Scene;
    use std::sync::Arc;

    #[test]
    fn b18_who_is_known_and_not_allowed_is_403() {
        let names = |names: &[&str]| names.iter().map(|name| Box::from(*name)).collect::<Vec<Box<str>>>();
        let check = |allow: &[&str], deny: &[&str], groups: Option<&[&str]>, status: u16| {
            let policy = Acl { allow: names(allow), deny: names(deny) };
            let mut scene = Scene::get(&[]);
            scene.pass.identity.consumer =
                groups.map(|groups| Arc::new(Consumer { groups: names(groups), ..Consumer::default() }));
            assert_eq!(scene.status(&policy), status, "{policy:?} {groups:?}");
        };
        check(&[], &[], None, 0);
        check(&["gold"], &[], None, 403);
        check(&["gold"], &[], Some(&[]), 403);
        check(&["gold", "silver"], &[], Some(&["silver"]), 0);
        check(&["gold"], &[], Some(&["Gold", "golden"]), 403);
        check(&[], &["banned"], None, 0);
        check(&[], &["banned"], Some(&["gold", "banned"]), 403);
        check(&["gold"], &["banned"], Some(&["gold", "banned"]), 403);
    }
}
