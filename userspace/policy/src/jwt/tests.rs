//! Tokens that must pass and tokens that must not: RFC vectors, attacks, the table of verified tokens.
use super::*;
use aws_lc_rs::signature::{self, KeyPair};
use aws_lc_rs::{hmac, rand::SystemRandom, rsa};
use base64url::encode;
use std::sync::{Arc, OnceLock};

mod attacks;
pub(super) mod base64url;
mod cached;
mod claimed;
mod vectors;
mod wycheproof;

const NOW_S: u64 = 1_700_000_000;
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Whoever holds a private key or a secret.
trait Signer {
    fn sign(&self, message: &[u8]) -> Vec<u8>;
}

impl<F: Fn(&[u8]) -> Vec<u8>> Signer for F {
    fn sign(&self, message: &[u8]) -> Vec<u8> {
        self(message)
    }
}

fn hs256(secret: &'static [u8]) -> impl Signer {
    move |message: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().to_vec()
}

fn token(header: &str, claims: &str, signer: &impl Signer) -> String {
    let signed = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
    format!("{signed}.{}", encode(&signer.sign(signed.as_bytes())))
}

fn ec_key() -> &'static signature::EcdsaKeyPair {
    static KEY: OnceLock<signature::EcdsaKeyPair> = OnceLock::new();
    KEY.get_or_init(|| {
        signature::EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
    })
}

fn es256(message: &[u8]) -> Vec<u8> {
    ec_key().sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
}

fn ec_jwk(extra: &str) -> String {
    let point = ec_key().public_key().as_ref();
    let (x, y) = (encode(&point[1..33]), encode(&point[33..]));
    format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"{extra}}}"#)
}

fn rsa_key() -> &'static rsa::KeyPair {
    static KEY: OnceLock<rsa::KeyPair> = OnceLock::new();
    KEY.get_or_init(|| rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap())
}

fn rs256(message: &[u8]) -> Vec<u8> {
    let mut signature = vec![0; rsa_key().public_modulus_len()];
    rsa_key().sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
    signature
}

fn rsa_jwk(extra: &str) -> String {
    let key = rsa_key().public_key();
    let (n, e) = (
        encode(key.modulus().big_endian_without_leading_zero()),
        encode(key.exponent().big_endian_without_leading_zero()),
    );
    format!(r#"{{"kty":"RSA","n":"{n}","e":"{e}"{extra}}}"#)
}

fn set(jwks: &[&str]) -> Result<KeySet, KeyError> {
    KeySet::parse(format!(r#"{{"keys":[{}]}}"#, jwks.join(",")).as_bytes(), Origin::Local)
}

fn secret_set() -> KeySet {
    KeySet::new(vec![Key::from_secret(SECRET, None).unwrap()])
}

fn try_token(token: &str, keys: KeySet) -> Result<Arc<Claims>, Refusal> {
    Verifier::new(Rules::default(), keys).verify(token.as_bytes(), NOW_S, &mut Tokens::default())
}

const CLAIMS: &str = r#"{"sub":"a","exp":1700000600}"#;
