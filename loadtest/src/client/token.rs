//! Tokens (ES256) that clients send, signed once before the run.

use crate::scenario::Tokens;
use anyhow::{Context, Result};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::json;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A key pair that signs the tokens of one run.
pub(crate) struct Signer {
    key: EncodingKey,
    public_pem: String,
}

impl Signer {
    /// Makes a pair.
    pub(crate) fn new() -> Result<Self> {
        Self::of(&KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).context("cannot make a key")?)
    }

    /// Takes a pair from a file.
    ///
    /// # Errors
    /// It cannot be read, or holds another kind of key.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let pair = KeyPair::from_pem(&text).ok().filter(|pair| pair.is_compatible(&PKCS_ECDSA_P256_SHA256));
        let pair = pair.with_context(|| {
            format!(
                "{} holds no key for ES256; `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` makes one",
                path.display()
            )
        })?;
        Self::of(&pair)
    }

    fn of(pair: &KeyPair) -> Result<Self> {
        let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).context("cannot sign tokens")?;
        Ok(Self { key, public_pem: pair.public_key_pem() })
    }

    /// What a server checks them with.
    pub(crate) fn public_pem(&self) -> &str {
        &self.public_pem
    }

    /// All of them, each for a client of its own.
    pub(crate) fn sign_all(&self, tokens: &Tokens) -> Result<Vec<String>> {
        (0..tokens.count.value).map(|number| self.sign(tokens, number)).collect()
    }

    /// A token for the client with this number, valid for an hour.
    fn sign(&self, tokens: &Tokens, number: u32) -> Result<String> {
        let now =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        let claims = json!({
            "iss": tokens.issuer.value,
            "sub": format!("client-{number}"),
            "aud": tokens.audience.value,
            "groups": ["load"],
            "iat": now,
            "exp": now + 3600,
        });
        jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &self.key)
            .context("cannot sign a token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{DecodingKey, Validation, decode};
    use std::collections::HashSet;
    use weir_schema::At;

    #[test]
    fn tokens_of_a_key_from_a_file_are_valid_for_whom_they_are() {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        std::fs::write(&path, pair.serialize_pem()).unwrap();
        let signer = Signer::read(&path).unwrap();
        let wanted = Tokens {
            count: At::implied(5),
            audience: At::implied("shop".into()),
            ..Tokens::blank().unwrap()
        };
        let tokens = signer.sign_all(&wanted).unwrap();
        assert_eq!(tokens.iter().collect::<HashSet<_>>().len(), 5);
        let key = DecodingKey::from_ec_pem(pair.public_key_pem().as_bytes()).unwrap();
        let valid_for = |audience: &str| {
            let mut validation = Validation::new(Algorithm::ES256);
            validation.set_audience(&[audience]);
            tokens.iter().all(|token| decode::<serde_json::Value>(token, &key, &validation).is_ok())
        };
        assert!(valid_for("shop") && !valid_for("load"));
    }

    #[test]
    fn another_kind_of_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        for text in [KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap().serialize_pem(), "no key".into()] {
            std::fs::write(&path, text).unwrap();
            let said = Signer::read(&path).err().unwrap().to_string();
            assert!(said.contains("holds no key for ES256"), "{said}");
        }
    }
}
