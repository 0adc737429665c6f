//! Lets a request pass that satisfies one of several policies, asked in order.
use crate::Build;
use crate::id::fresh_id;
use crate::{End, Flow, Leave, Link, Note, Policy, Rank, Visit};
use crate::{Jwt, KeyAuth};
use std::sync::Arc;
use weir_schema::policy as written;

/// What a policy says that found no credential: the least telling of all refusals.
pub(crate) const NO_CREDENTIAL: &str = "no credential";

/// Several policies of which one is enough.
#[derive(Debug)]
pub struct AnyOf {
    id: u64,
    links: Vec<Link>,
}

impl AnyOf {
    /// Asks in this order.
    pub fn new(links: Vec<Link>) -> AnyOf {
        AnyOf { id: fresh_id(), links }
    }

    pub(crate) fn compile(written: &written::AnyOf, build: &mut Build<'_>) -> Option<AnyOf> {
        let jwts = written.jwt.iter().map(|jwt| Jwt::compile(&jwt.value, build).map(Arc::new).map(Link::Jwt));
        let mut links: Vec<Link> = jwts.collect::<Option<_>>()?;
        let keys = written
            .key_auth
            .iter()
            .map(|key| KeyAuth::compile(&key.value, build).map(Arc::new).map(Link::KeyAuth));
        links.extend(keys.collect::<Option<Vec<_>>>()?);
        Some(AnyOf::new(links))
    }

    pub(crate) fn rank(&self) -> Rank {
        self.links.iter().map(Link::rank).max().unwrap_or(Rank::Login)
    }

    /// The policies inside.
    pub fn links(&self) -> &[Link] {
        &self.links
    }
}

impl Policy for AnyOf {
    /// If all refuse, the refusal of a credential that was shown tells more than that of one that was not.
    fn request(&self, visit: &mut Visit<'_>) -> Flow {
        let mark = visit.pass.mark();
        let mut refusal = None;
        for (index, link) in self.links.iter().enumerate() {
            let before = visit.pass.mark();
            match link.request(visit) {
                Flow::Reply(reply) if reply.reason.is_some() => {
                    if refusal.is_none() || reply.detail != NO_CREDENTIAL {
                        refusal = Some(reply);
                    }
                }
                Flow::Next => {
                    // Challenges of those who were asked in vain must not reach a client that may pass.
                    visit.pass.drop_notes(mark, before);
                    visit.pass.note(self.id, Note::Number(index as u64));
                    return Flow::Next;
                }
                other => return other,
            }
        }
        refusal.map_or(Flow::Next, Flow::Reply)
    }

    fn response(&self, leave: &mut Leave<'_>) {
        for link in self.links.iter().rev() {
            link.response(leave);
        }
    }

    fn finish(&self, end: &mut End<'_>) {
        for link in self.links.iter().rev() {
            link.finish(end);
        }
    }
}

#[cfg(test)]
mod tests;
