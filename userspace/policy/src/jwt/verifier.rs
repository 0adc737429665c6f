//! One issuer as we know it: its keys of this moment and the rules for its tokens.
use super::json::{Document, Limits};
use super::token::{Compact, Header};
use super::{Claims, KeySet, Refusal, Rules, Tokens, base64};
use crate::id::fresh_id;
use arc_swap::ArcSwap;
use std::sync::Arc;

/// Verifies the tokens of one issuer. The keys may be replaced at any time, by another thread.
#[derive(Debug)]
pub struct Verifier {
    id: u64,
    rules: Rules,
    keys: ArcSwap<KeySet>,
}

impl Verifier {
    /// A verifier with the keys that are known so far.
    pub fn new(rules: Rules, keys: KeySet) -> Verifier {
        Verifier { id: fresh_id(), rules, keys: ArcSwap::from_pointee(keys) }
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
        let realm = (self.id, keys.id());
        if let Some(claims) = tokens.find(realm, token, now_s) {
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
        tokens.insert(realm, token, &claims);
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
