//! What is counted together: parts of a request, folded into one number under a secret seed.
use crate::client::source;
use crate::jwt::ClaimPath;
use crate::seed::Seed;
use crate::{Client, Place, Visit};
use std::hash::Hasher;

/// A part of a request by which requests are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The client's resolved address.
    Ip,
    /// The consumer's name.
    Consumer,
    /// The normalised path.
    Path,
    /// The host in lower case.
    Host,
    /// The route.
    Route,
    /// A field, cookie or query parameter.
    Place(Place),
    /// A claim of the verified token.
    Claim(ClaimPath),
}

/// How requests are told apart.
#[derive(Debug)]
pub(super) struct Key {
    parts: Vec<Part>,
    seed: Seed,
}

impl Key {
    pub(super) fn new(parts: Vec<Part>) -> Key {
        Key { parts, seed: Seed::new() }
    }

    pub(super) fn needs_identity(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Consumer | Part::Claim(_)))
    }

    /// The number of whatever a client asks for, if nothing but its address counts.
    pub(super) fn of_client(&self, client: &Client) -> Option<u64> {
        matches!(*self.parts, [Part::Ip]).then(|| self.seed.client(client.address))
    }

    /// The number of a client of whom nothing is known but the address: what stands for any part that is missing.
    pub(super) fn of_address(&self, client: &Client) -> u64 {
        self.seed.client(client.address)
    }

    /// The number of the request's key; never 0. A part that the request does not have is replaced by the
    /// address, so that leaving it out is no way around the limit.
    pub(super) fn of(&self, visit: &Visit<'_>) -> u64 {
        if let Some(key) = self.of_client(visit.client) {
            return key;
        }
        let mut hasher = self.seed.hasher();
        for part in &self.parts {
            match part.find(visit) {
                Some(text) => {
                    hasher.write(text);
                    // Lengths keep neighbours apart, and the high bit keeps texts apart from addresses.
                    hasher.write_u64(1 << 63 | text.len() as u64);
                }
                None => hasher.write_u128(source(visit.client.address)),
            }
        }
        hasher.finish().max(1)
    }
}

impl Part {
    fn find<'v>(&'v self, visit: &'v Visit<'_>) -> Option<&'v [u8]> {
        let identity = &visit.pass.identity;
        match self {
            Part::Ip => None,
            Part::Consumer => identity.consumer.as_ref().map(|consumer| consumer.name.as_bytes()),
            Part::Path => Some(visit.request.path().as_bytes()),
            Part::Host => Some(visit.request.host().as_bytes()),
            Part::Route => Some(visit.route.as_bytes()),
            Part::Place(place) => place.find(visit.request),
            Part::Claim(path) => identity.claims.as_ref().and_then(|claims| claims.text(path)),
        }
    }
}
