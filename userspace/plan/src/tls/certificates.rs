//! Which certificate a client is shown: by server name, then by the kinds of signature it knows.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use rustls::SignatureAlgorithm;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use weir_schema::value::HostPattern;

use crate::hash::Stable;

/// Certificates by server name: the exact name before `*.` before the default. Of several for one name the client is
/// shown the first, in the order ECDSA, Ed25519, RSA, whose signatures it knows.
#[derive(Debug, Default)]
pub struct Certificates {
    exact: HashMap<Box<str>, Kinds, Stable>,
    /// `example.com` for `*.example.com`, which stands for one label only (RFC 9525, section 6.3).
    wild: HashMap<Box<str>, Kinds, Stable>,
    default: Kinds,
    strict: bool,
}

type Kinds = Vec<Arc<CertifiedKey>>;

impl Certificates {
    /// No certificate yet. If `strict`, a client whose name none covers is shown none.
    #[must_use]
    pub fn new(strict: bool) -> Self {
        Self { strict, ..Self::default() }
    }

    /// Adds a certificate for names. The first that is added for a name stays before others of the same kind; those
    /// that share a name with the first of all are the default.
    pub fn add(&mut self, key: &Arc<CertifiedKey>, names: &[HostPattern]) {
        let first = self.default.is_empty();
        let mut beside_default = first;
        for name in names {
            let kinds = match name {
                HostPattern::Exact(name) => self.exact.entry(name.as_str().into()).or_default(),
                HostPattern::Below(parent) => self.wild.entry(parent.as_str().into()).or_default(),
                HostPattern::Any => continue,
            };
            beside_default |=
                kinds.iter().any(|other| self.default.iter().any(|own| Arc::ptr_eq(own, other)));
            insert(kinds, key);
        }
        if beside_default {
            insert(&mut self.default, key);
        }
    }

    /// Clients are shown only what covers the name they asked for.
    #[must_use]
    pub fn is_strict(&self) -> bool {
        self.strict
    }

    /// Some certificate is for this name, which is in lower case.
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Who asks for either name is shown the same certificates.
    #[must_use]
    pub fn are_one(&self, one: &str, other: &str) -> bool {
        let [one, other] = [one, other].map(|name| self.find(name).unwrap_or(&self.default));
        one.first().zip(other.first()).is_some_and(|(one, other)| one.cert == other.cert)
    }

    fn find(&self, name: &str) -> Option<&Kinds> {
        let wild = || self.wild.get(name.split_once('.')?.1);
        self.exact.get(name).or_else(wild)
    }

    fn choose(&self, name: Option<&str>, schemes: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let named = name.and_then(|name| self.find(name));
        let kinds = named.or((!self.strict).then_some(&self.default))?;
        let known = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(schemes).is_some();
        kinds.iter().find(known).or_else(|| kinds.first()).cloned()
    }
}

/// Puts a key behind those of its kind and before those of later kinds.
fn insert(kinds: &mut Kinds, key: &Arc<CertifiedKey>) {
    let place = kinds.partition_point(|own| rank(own) <= rank(key));
    kinds.insert(place, Arc::clone(key));
}

fn rank(key: &CertifiedKey) -> u8 {
    match key.key.algorithm() {
        SignatureAlgorithm::ECDSA => 0,
        SignatureAlgorithm::ED25519 => 1,
        _ => 2,
    }
}

thread_local! {
    /// The name in the hello that was answered last on this thread.
    static ASKED: Cell<Option<Box<str>>> = const { Cell::new(None) };
}

/// The server name of the hello that was answered last on this thread, told once. A session without buffers of its own does
/// not tell what it was asked for, so whoever drives it asks here right afterwards.
#[must_use]
pub fn asked() -> Option<Box<str>> {
    ASKED.take()
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        ASKED.set(hello.server_name().map(Into::into));
        self.choose(hello.server_name(), hello.signature_schemes())
    }
}
