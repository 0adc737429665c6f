//! Lets only requests with a known API key pass.
use crate::Build;
use crate::id::fresh_id;
use crate::identity::{strip_identity, write_credential, write_identity};
use crate::{Consumer, Flow, Leave, Note, Place, Policy, Rank, Reply, Visit};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use std::collections::HashMap;
use std::sync::Arc;
use weir_message::Request;
use weir_schema::policy as written;
use weir_wire::Reason;

type Digest = [u8; SHA256_OUTPUT_LEN];

/// Keys and whose they are. The keys themselves are not kept, only their SHA-256: what is looked up is the digest,
/// which nobody can choose, so how far a comparison gets tells nothing about a key.
#[derive(Clone, Default)]
pub struct Credentials {
    by_digest: HashMap<Digest, Holder>,
}

/// Whose a key is, and what it is called where the key itself must not be seen.
#[derive(Clone)]
struct Holder {
    consumer: Arc<Consumer>,
    /// The first sixteen digits of its SHA-256.
    id: Box<str>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Credentials({})", self.by_digest.len())
    }
}

impl Credentials {
    /// Adds a key as it is used, or as `sha256:` and 64 hexadecimal digits.
    /// Says whether nobody had it before.
    pub fn insert(&mut self, key: &str, consumer: Arc<Consumer>) -> bool {
        let hashed = key.strip_prefix("sha256:").and_then(unhex);
        let digest = hashed.unwrap_or_else(|| hash(key.as_bytes()));
        let id = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>().into();
        self.by_digest.insert(digest, Holder { consumer, id }).is_none()
    }

    fn find(&self, key: &[u8]) -> Option<&Holder> {
        let wanted = hash(key);
        let (found, holder) = self.by_digest.get_key_value(&wanted)?;
        verify_slices_are_equal(found, &wanted).ok().map(|()| holder)
    }
}

fn hash(key: &[u8]) -> Digest {
    let mut out = Digest::default();
    for (byte, hashed) in out.iter_mut().zip(digest(&SHA256, key).as_ref()) {
        *byte = *hashed;
    }
    out
}

fn unhex(text: &str) -> Option<Digest> {
    let mut out = Digest::default();
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    (pairs.len() == out.len()).then_some(())?;
    for (byte, pair) in out.iter_mut().zip(pairs) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}

/// Lets only requests with a known API key pass.
#[derive(Debug)]
pub struct KeyAuth {
    id: u64,
    /// The keys.
    credentials: Arc<Credentials>,
    /// Where a key may stand.
    from: Vec<Place>,
    /// The upstream sees the key.
    forward: bool,
    /// Requests without a key pass, as this consumer if there is one.
    optional: Option<Option<Arc<Consumer>>>,
    challenge: Box<[u8]>,
}

impl KeyAuth {
    /// The longest key that is looked at.
    pub const KEY_MAX: usize = 1_024;

    /// Looks for keys in these places.
    pub fn new(credentials: Arc<Credentials>, from: Vec<Place>) -> KeyAuth {
        let challenge = b"Key realm=\"weir\"".as_slice().into();
        KeyAuth { id: fresh_id(), credentials, from, forward: true, optional: None, challenge }
    }

    /// Whether the upstream sees the key.
    #[must_use]
    pub fn forward(self, forward: bool) -> KeyAuth {
        KeyAuth { forward, ..self }
    }

    /// Lets requests without a key pass, as this consumer if there is one.
    #[must_use]
    pub fn anonymous(self, consumer: Option<Arc<Consumer>>) -> KeyAuth {
        KeyAuth { optional: Some(consumer), ..self }
    }

    /// The realm in challenges.
    #[must_use]
    pub fn realm(self, realm: &str) -> KeyAuth {
        KeyAuth { challenge: format!("Key realm=\"{realm}\"").into_bytes().into(), ..self }
    }

    pub(crate) fn compile(written: &written::KeyAuth, build: &mut Build<'_>) -> Option<KeyAuth> {
        let from = written.from.iter().filter_map(|place| Place::compile(&place.value)).collect();
        let policy = KeyAuth::new(Arc::clone(&build.credentials), from)
            .forward(written.forward.value)
            .realm(&written.realm);
        let anonymous = build.anonymous(written.anonymous.as_ref())?;
        Some(if written.optional.value { policy.anonymous(anonymous) } else { policy })
    }

    pub(crate) fn rank(&self) -> Rank {
        Rank::Login
    }

    /// How many keys there are, and whose the first is.
    fn look(&self, request: &Request) -> (usize, Option<&Holder>) {
        let keys = self.from.iter().flat_map(|place| place.values(request)).filter(|key| !key.is_empty());
        keys.fold((0, None), |(count, first), key| {
            let holder =
                if count == 0 && key.len() <= KeyAuth::KEY_MAX { self.credentials.find(key) } else { first };
            (count + 1, holder)
        })
    }

    fn refuse(&self, status: u16, detail: &'static str, visit: &mut Visit<'_>) -> Flow {
        visit.pass.note(self.id, Note::Number(0));
        Flow::Reply(Reply::refuse(status, Reason::BadToken, detail))
    }
}

impl Policy for KeyAuth {
    fn request(&self, visit: &mut Visit<'_>) -> Flow {
        let (shown, holder) = self.look(visit.request);
        let is_shown = shown > 0;
        strip_identity(visit);
        if shown > 1 {
            return self.refuse(400, "more than one key", visit);
        }
        let identity = &mut visit.pass.identity;
        match (holder, &self.optional) {
            (Some(holder), _) => {
                (identity.consumer, identity.authenticated) = (Some(Arc::clone(&holder.consumer)), true);
                write_credential(holder.id.as_bytes(), visit);
            }
            (None, Some(anonymous)) if !is_shown => identity.fall_back(anonymous),
            (None, _) if is_shown => return self.refuse(401, "unknown key", visit),
            (None, _) => return self.refuse(401, crate::any_of::NO_CREDENTIAL, visit),
        }
        if !self.forward && is_shown {
            for place in &self.from {
                place.strip(visit.request, &mut visit.worker.scratch);
            }
        }
        write_identity(visit);
        Flow::Next
    }

    fn response(&self, leave: &mut Leave<'_>) {
        if leave.pass.notes(self.id).next().is_some() {
            let _checked_when_compiled = leave.response.head.append("WWW-Authenticate", &self.challenge);
        }
    }
}

#[cfg(test)]
mod tests;
