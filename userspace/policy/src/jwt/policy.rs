//! The policy `jwt`: lets only requests with a valid token pass.
use super::{ClaimPath, ClaimTest, Claims, Refusal, Verifier};
use crate::id::fresh_id;
use crate::identity::{strip_identity, write_credential, write_identity};
use crate::{Call, Consumer, Consumers, Flow, Leave, Note, Place, Policy, Rank, Reply, Visit};
use std::sync::Arc;
use weir_message::Name;
use weir_wire::Reason;

mod find;

use find::{Found, find};

/// Where the keys of an issuer come from, for the control thread that fetches them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Written in the configuration or a file that was read with it.
    Fixed,
    /// A JWK Set at this address.
    Url(Box<str>),
    /// OpenID Connect discovery below this issuer.
    Discovery(Box<str>),
}

/// Lets only requests with a valid token pass.
#[derive(Debug)]
pub struct Jwt {
    /// Checks the tokens; shared with the control thread, which replaces its keys.
    pub verifier: Arc<Verifier>,
    /// Where the keys come from.
    pub source: Source,
    /// Where tokens may stand; none means `Authorization: Bearer`.
    pub from: Vec<Place>,
    /// The upstream sees the token, unless it stood in the query.
    pub forward: bool,
    /// Fields for the upstream and the claims they are made of.
    pub to_headers: Vec<(Box<str>, ClaimPath)>,
    /// Who may be named by a claim.
    pub consumers: Arc<Consumers>,
    /// The claim that names the consumer.
    pub consumer_claim: ClaimPath,
    /// The claim that lists groups.
    pub groups_claim: Option<Arc<ClaimPath>>,
    /// Requests without a token pass, as this consumer if there is one.
    pub optional: Option<Option<Arc<Consumer>>>,
    /// The realm in challenges, without quotes or backslashes.
    pub realm: Box<str>,
    pub(super) id: u64,
}

/// What a challenge says, as a note from the way in to the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Challenge {
    /// No token: no error code either (RFC 6750, section 3.1).
    Missing,
    /// More than one token.
    Several,
    /// A token that does not count.
    Invalid(Refusal),
    /// A token that counts, and does not suffice.
    Insufficient(u16),
}

impl Jwt {
    /// A policy with these keys, and otherwise as little as possible.
    pub fn new(verifier: Arc<Verifier>, source: Source) -> Jwt {
        Jwt {
            verifier,
            source,
            from: Vec::new(),
            forward: true,
            to_headers: Vec::new(),
            consumers: Arc::default(),
            consumer_claim: ClaimPath::new("sub"),
            groups_claim: None,
            optional: None,
            realm: "weir".into(),
            id: fresh_id(),
        }
    }

    pub(crate) fn rank(&self) -> Rank {
        Rank::Login
    }

    fn refuse(&self, challenge: Challenge, visit: &mut Visit<'_>) -> Flow {
        visit.pass.note(self.id, Note::Number(challenge.number()));
        let (status, reason, detail) = match challenge {
            Challenge::Missing => (401, Reason::BadToken, crate::any_of::NO_CREDENTIAL),
            Challenge::Several => (400, Reason::BadToken, "more than one token"),
            Challenge::Invalid(refusal) => (401, Reason::BadToken, refusal.as_str()),
            Challenge::Insufficient(_) => (403, Reason::Denied, Refusal::Claim(0).as_str()),
        };
        Flow::Reply(Reply::refuse(status, reason, detail))
    }

    /// The claims become the sender's identity, and fields for the upstream.
    fn admit(&self, claims: Arc<Claims>, visit: &mut Visit<'_>) {
        for (name, path) in &self.to_headers {
            if let Some(text) = claims.text(path) {
                let _unwritable = visit.request.head.append(name, text);
            }
        }
        if let Some(subject) = claims.text(&self.consumer_claim) {
            write_credential(subject, visit);
        }
        let identity = &mut visit.pass.identity;
        let named = claims.text(&self.consumer_claim).and_then(|name| self.consumers.find(name));
        identity.consumer = named.or_else(|| self.consumers.find_by_claims(&claims)).cloned();
        identity.groups.clone_from(&self.groups_claim);
        (identity.claims, identity.authenticated) = (Some(claims), true);
        write_identity(visit);
    }

    fn strip_claims(&self, visit: &mut Visit<'_>) {
        strip_identity(visit);
        for (name, _) in &self.to_headers {
            visit.request.head.remove(name);
        }
    }

    /// Where the token stood, it is taken away, if the upstream shall not see it. Queries end up in logs, so
    /// there it always goes (RFC 6750, section 2.3), and the answer must not be stored.
    fn strip_token(&self, place: Option<usize>, visit: &mut Visit<'_>) {
        let place = place.and_then(|place| self.from.get(place));
        let in_query = matches!(place, Some(Place::Query(_)));
        if in_query {
            visit.pass.note(self.id, Note::Number(Challenge::IN_QUERY));
        }
        if self.forward && !in_query {
            return;
        }
        match place {
            None => drop(visit.request.head.remove("authorization")),
            Some(place) => place.strip(visit.request, &mut visit.worker.scratch),
        }
    }
}

impl Policy for Jwt {
    fn request(&self, visit: &mut Visit<'_>) -> Flow {
        let (verdict, place) = match find(&self.from, visit.request) {
            Found::One(token, place) => {
                (self.verifier.verify(token, visit.now.wall_s(), &mut visit.worker.tokens), place)
            }
            Found::Several => {
                self.strip_claims(visit);
                return self.refuse(Challenge::Several, visit);
            }
            Found::None => {
                self.strip_claims(visit);
                let Some(anonymous) = &self.optional else { return self.refuse(Challenge::Missing, visit) };
                visit.pass.identity.fall_back(anonymous);
                write_identity(visit);
                return Flow::Next;
            }
        };
        match verdict {
            Err(Refusal::UnknownKey) if self.source != Source::Fixed && !visit.pass.is_answered() => {
                Flow::Ask(Call::Keys(Arc::clone(&self.verifier)))
            }
            Err(Refusal::Claim(rule)) => self.refuse(Challenge::Insufficient(rule), visit),
            Err(refusal) => self.refuse(Challenge::Invalid(refusal), visit),
            Ok(claims) => {
                self.strip_claims(visit);
                self.strip_token(place, visit);
                self.admit(claims, visit);
                Flow::Next
            }
        }
    }

    fn response(&self, leave: &mut Leave<'_>) {
        let Some(number) = leave.pass.numbers(self.id).last() else { return };
        let head = &mut leave.response.head;
        if number == Challenge::IN_QUERY {
            let _always_writable = head.set("Cache-Control", b"no-store");
            return;
        }
        let realm: [&[u8]; 3] = [b"Bearer realm=\"", self.realm.as_bytes(), b"\""];
        let [open, name, close] = realm;
        let name_field = b"WWW-Authenticate";
        let written = match Challenge::parse(number) {
            Challenge::Missing => head.append_parts(name_field, &realm),
            Challenge::Several => {
                head.append_parts(name_field, &[open, name, close, b", error=\"invalid_request\""])
            }
            Challenge::Invalid(refusal) => {
                let words = refusal.as_str().as_bytes();
                let error = b", error=\"invalid_token\", error_description=\"";
                head.append_parts(name_field, &[open, name, close, error, words, b"\""])
            }
            Challenge::Insufficient(rule) => {
                let scope = self.scope(rule);
                let (before, after): (&[u8], &[u8]) =
                    if scope.is_empty() { (b"", b"") } else { (b", scope=\"", b"\"") };
                let error = b", error=\"insufficient_scope\"";
                head.append_parts(name_field, &[open, name, close, error, before, scope, after])
            }
        };
        debug_assert!(written.is_ok(), "realm and scope are checked when they are compiled");
    }
}

impl Jwt {
    /// The scope that a token lacks, if it was a rule about scopes.
    fn scope(&self, rule: u16) -> &[u8] {
        let rule = self.verifier.rules().claims.get(usize::from(rule));
        match rule.map(|rule| (rule.path.as_str(), &rule.test)) {
            Some(("scope" | "scp", ClaimTest::Contains(wanted))) => wanted.as_bytes(),
            _ => b"",
        }
    }
}

impl Challenge {
    const IN_QUERY: u64 = u64::MAX;
    const INVALID: [Refusal; 14] = [
        Refusal::TooLong,
        Refusal::Malformed,
        Refusal::Header,
        Refusal::Type,
        Refusal::Algorithm,
        Refusal::UnknownKey,
        Refusal::Signature,
        Refusal::Claims,
        Refusal::NoExpiry,
        Refusal::Expired,
        Refusal::NotYet,
        Refusal::TooLongLived,
        Refusal::Issuer,
        Refusal::Audience,
    ];

    fn number(self) -> u64 {
        match self {
            Challenge::Missing => 0,
            Challenge::Several => 1,
            Challenge::Insufficient(rule) => 1 << 16 | u64::from(rule),
            Challenge::Invalid(refusal) => {
                2 + Challenge::INVALID.iter().position(|known| *known == refusal).unwrap_or_default() as u64
            }
        }
    }

    fn parse(number: u64) -> Challenge {
        match number {
            0 => Challenge::Missing,
            1 => Challenge::Several,
            2..0x1_0000 => {
                let index = usize::try_from(number - 2).unwrap_or_default();
                Challenge::Invalid(Challenge::INVALID.get(index).copied().unwrap_or(Refusal::Malformed))
            }
            _ => Challenge::Insufficient(u16::try_from(number & 0xffff).unwrap_or_default()),
        }
    }
}

/// The value of an `Authorization` field, if its scheme is `Bearer` (RFC 9110, section 11.1: in any case).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| rest.trim_ascii_start())
}

/// The name of the field that carries tokens unless told otherwise.
const AUTHORIZATION: Name = Name::Authorization;

#[cfg(test)]
mod tests;
