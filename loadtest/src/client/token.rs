//! Tokens (ES256) that clients send, signed once before the run.

use anyhow::{Context, Result};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use std::time::{Duration, SystemTime};

/// A key pair that signs the tokens of one run.
pub(crate) struct Signer {
    key: EncodingKey,
    public_pem: String,
}

impl Signer {
    /// Makes a pair.
    pub(crate) fn new() -> Result<Self> {
        let pair =
            rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).context("cannot make a key")?;
        let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).context("cannot sign tokens")?;
        Ok(Self { key, public_pem: pair.public_key_pem() })
    }

    /// What a server checks them with.
    pub(crate) fn public_pem(&self) -> &str {
        &self.public_pem
    }

    /// A token for the client with this number, valid for an hour.
    pub(crate) fn sign(&self, number: u32) -> Result<String> {
        let now =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        let claims = json!({
            "iss": "https://id.load.test",
            "sub": format!("client-{number}"),
            "aud": "load",
            "groups": ["load"],
            "iat": now,
            "exp": now + 3600,
        });
        jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &self.key)
            .context("cannot sign a token")
    }
}
