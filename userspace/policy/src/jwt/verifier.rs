//! One issuer as we know it: its keys of this moment and the rules for its tokens.
use super::json::{Document, Limits};
use super::token::{Compact, Header};
use super::tokens::Holder;
use super::{Claims, KeySet, Refusal, Rules, Tokens, base64};
use crate::id::fresh_id;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Verifies the tokens of one issuer. The keys may be replaced at any time, by another thread.
#[derive(Debug)]
pub struct Verifier {
    id: u64,
    rules: Rules,
    keys: ArcSwap<KeySet>,
    /// Its end is the end of what workers remember of its tokens.
    alive: Arc<()>,
    verified: AtomicU64,
    forgotten: AtomicU64,
}

impl Verifier {
    /// A verifier with the keys that are known so far.
    pub fn new(rules: Rules, keys: KeySet) -> Verifier {
        let (verified, forgotten) = (AtomicU64::new(0), AtomicU64::new(0));
        let (id, keys) = (fresh_id(), ArcSwap::from_pointee(keys));
        Verifier { id, rules, keys, alive: Arc::default(), verified, forgotten }
    }

    /// How many tokens were found good by their signature, and not because they were remembered.
    pub fn verified(&self) -> u64 {
        self.verified.load(Ordering::Relaxed)
    }

    /// How many tokens were forgotten while they still counted: above 0, `cache` is too small.
    pub fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed)
    }

    /// The rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The keys of this moment.
    pub fn keys(&self) -> Arc<KeySet> {
        self.keys.load_full()
    }

    /// Replaces the keys. What the old ones had verified is verified again.
    pub fn replace_keys(&self, keys: impl Into<Arc<KeySet>>) {
        self.keys.store(keys.into());
    }

    /// Verifies a token, or finds that this worker has done so before.
    pub fn verify(&self, token: &[u8], now_s: u64, tokens: &mut Tokens) -> Result<Arc<Claims>, Refusal> {
        let keys = self.keys.load();
        let holder =
            Holder { issuer: self.id, alive: &self.alive, keys: keys.id(), memory: self.rules.memory };
        if let Some(claims) = tokens.find(holder, token, now_s) {
            return Ok(claims);
        }
        if token.len() > self.rules.bytes_max {
            return Err(Refusal::TooLong);
        }
        let compact = Compact::parse(token)?;
        self.check_signature(&compact, &keys, tokens)?;
        let plain = base64::decoded(compact.payload).ok_or(Refusal::Malformed)?;
        let document = Document::parse(plain, Limits::TOKEN).ok_or(Refusal::Claims)?;
        let claims = Arc::new(self.rules.judge(document, now_s)?);
        self.verified.fetch_add(1, Ordering::Relaxed);
        let forgotten = tokens.insert(holder, token, &claims, now_s);
        if forgotten > 0 {
            self.forgotten.fetch_add(forgotten, Ordering::Relaxed);
        }
        Ok(claims)
    }

    fn check_signature(
        &self,
        compact: &Compact<'_>,
        keys: &KeySet,
        tokens: &mut Tokens,
    ) -> Result<(), Refusal> {
        let (header, signature) =
            tokens.header(self.id, compact.header, || Header::parse(compact.header, &self.rules.types))?;
        base64::decode(compact.signature, signature).ok_or(Refusal::Malformed)?;
        let allowed = &self.rules.algorithms;
        if !allowed.is_empty() && !allowed.contains(&header.algorithm) {
            return Err(Refusal::Algorithm);
        }
        let kid = header.kid();
        if keys.checks(kid, header.algorithm).any(|check| check.accepts(compact.signed, signature)) {
            return Ok(());
        }
        match (keys.knows(kid), keys.checks(kid, header.algorithm).next()) {
            (false, _) => Err(Refusal::UnknownKey),
            (true, None) => Err(Refusal::Algorithm),
            (true, Some(_)) => Err(Refusal::Signature),
        }
    }
}
