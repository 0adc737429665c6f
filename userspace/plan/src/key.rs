//! By what a client keeps its target: the first of the keys that its request has.

use weir_policy::jwt::ClaimPath;
use weir_schema::value::HashKey;

use crate::hash::digest;
use crate::router::Ask;

/// What was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key<'k> {
    /// Its hash, the draw for [`crate::balance::Balance::pick`].
    pub hash: u64,
    /// Which key it was; none of them, and so the client's address.
    pub of: Option<&'k HashKey>,
}

/// The first of these keys that the request has; at last the client's address.
#[must_use]
pub fn find<'k>(by: &'k [HashKey], route: &str, ask: &Ask<'_>) -> Key<'k> {
    let found = by.iter().find_map(|key| Some(Key { hash: hash(key, route, ask)?, of: Some(key) }));
    found.unwrap_or_else(|| Key { hash: digest(&ask.client.octets()), of: None })
}

fn hash(key: &HashKey, route: &str, ask: &Ask<'_>) -> Option<u64> {
    let request = ask.request;
    match key {
        HashKey::Ip => Some(digest(&ask.client.octets())),
        HashKey::Path => Some(digest(request.path().as_bytes())),
        HashKey::Host => Some(digest(request.host().as_bytes())),
        HashKey::Route => Some(digest(route.as_bytes())),
        HashKey::Header(name) => request.head.value(name).map(digest),
        HashKey::Cookie(name) => ask.cookies(name).next().map(digest),
        HashKey::Query(name) => ask.parameters(name).next().map(digest),
        HashKey::Claim(name) => {
            let claims = ask.identity?.claims.as_ref()?;
            claims.text(&ClaimPath::new(name)).map(digest)
        }
        HashKey::Consumer => ask.identity?.consumer.as_ref().map(|consumer| digest(consumer.name.as_bytes())),
    }
}
