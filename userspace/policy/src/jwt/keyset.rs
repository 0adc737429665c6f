//! The keys of one issuer, as one immutable value that is replaced whole when they rotate.
use super::json::{Document, Limits, Value};
use super::key::Check;
use super::{Algorithm, Key, KeyError};
use crate::id::fresh_id;

/// Where a set of keys comes from, which decides what may be in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Written by the operator or in a file of the host: secrets may be in it.
    Local,
    /// Fetched from an issuer: a secret in it is known to everybody.
    Fetched,
}

/// Keys of one issuer.
#[derive(Debug)]
pub struct KeySet {
    id: u64,
    keys: Vec<Key>,
    skipped: usize,
}

impl KeySet {
    /// The largest document that is read.
    pub const BYTES_MAX: usize = 1 << 20;
    /// The most keys of one set.
    pub const KEYS_MAX: usize = 1_000;
    /// The most keys that are tried for one token, so that a token without `kid` cannot cost more than this.
    pub const TRIES_MAX: usize = 4;

    /// A set of these keys.
    pub fn new(keys: Vec<Key>) -> KeySet {
        KeySet { id: fresh_id(), keys, skipped: 0 }
    }

    /// Parses a JWK Set (RFC 7517, section 5) or a single JWK. Keys that are not for us are skipped, as the
    /// section recommends; a document that is not a set is an error.
    pub fn parse(text: &[u8], origin: Origin) -> Result<KeySet, KeyError> {
        if text.len() > KeySet::BYTES_MAX {
            return Err(KeyError::TooMany);
        }
        let document = Document::parse(text.to_vec(), Limits::KEYS).ok_or(KeyError::Malformed)?;
        let root = document.root();
        let Some(list) = root.member(b"keys") else {
            return Ok(KeySet::new(vec![admit(root, origin)?]));
        };
        if !list.is_array() {
            return Err(KeyError::Malformed);
        }
        if list.items().count() > KeySet::KEYS_MAX {
            return Err(KeyError::TooMany);
        }
        let mut set = KeySet::new(Vec::new());
        for jwk in list.items() {
            match admit(jwk, origin) {
                Ok(key) => set.keys.push(key),
                Err(_) => set.skipped += 1,
            }
        }
        Ok(set)
    }

    /// A number that no other set of this process has, so that nothing verified by another can pass for this.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The keys.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// How many keys of the document were not for us.
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// Whether a token with this `kid` has a key here. A key without a name serves any token.
    pub fn knows(&self, kid: Option<&[u8]>) -> bool {
        self.keys.iter().any(|key| fits(key, kid))
    }

    /// The checks that a token of this `kid` and algorithm may pass.
    pub(super) fn checks(&self, kid: Option<&[u8]>, algorithm: Algorithm) -> impl Iterator<Item = &Check> {
        self.keys
            .iter()
            .filter(move |key| fits(key, kid))
            .filter_map(move |key| key.check(algorithm))
            .take(KeySet::TRIES_MAX)
    }
}

fn fits(key: &Key, kid: Option<&[u8]>) -> bool {
    match (kid, key.id()) {
        (Some(wanted), Some(id)) => wanted == id,
        _ => true,
    }
}

fn admit(jwk: Value<'_>, origin: Origin) -> Result<Key, KeyError> {
    let key = Key::from_jwk(jwk)?;
    if origin == Origin::Fetched && key.is_symmetric() { Err(KeyError::Symmetric) } else { Ok(key) }
}
