//! P15: what a token costs, beside jsonwebtoken on the same aws-lc, and beside aws-lc alone.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and if it cannot be set up it says where"
)]
#[path = "../src/jwt/tests/base64url.rs"]
mod base64url;
#[path = "measure.rs"]
mod measure;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self as raw, KeyPair};
use base64url::encode;
use jsonwebtoken::{Algorithm as Theirs, DecodingKey, Validation, decode};
use measure::{Goals, in_turns, row};
use serde::de::IgnoredAny;
use std::hint::black_box;
use weir_policy::jwt::{Algorithm, Key, KeySet, Memory, Rules, Tokens, Verifier};

const NOW_S: u64 = 1_700_000_000;
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const CLAIMS: &str = r#"{"iss":"https://id.example.com","sub":"1234567890","aud":"api","exp":4102444800,"iat":1699999000,"scope":"read write","tenant":"acme"}"#;

fn token(algorithm: &str, claims: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let header = format!(r#"{{"alg":"{algorithm}","typ":"JWT"}}"#);
    let signed = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
    format!("{signed}.{}", encode(&sign(signed.as_bytes())))
}

fn hs256(message: &[u8]) -> Vec<u8> {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, SECRET);
    aws_lc_rs::hmac::sign(&key, message).as_ref().to_vec()
}

fn verifier(key: Key, tokens_max: usize) -> Verifier {
    let rules = Rules {
        memory: Memory { tokens_max, bytes_max: 1 << 30, ttl_s: 300 },
        issuers: vec!["https://id.example.com".into()],
        audiences: vec!["api".into()],
        ..Rules::default()
    };
    Verifier::new(rules, KeySet::new(vec![key]))
}

fn validation(algorithm: Theirs) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&["https://id.example.com"]);
    validation.set_audience(&["api"]);
    validation
}

fn against_jsonwebtoken(
    name: &str,
    token: &str,
    key: Key,
    theirs: &(Theirs, DecodingKey),
    bare: &mut dyn FnMut(),
) -> [f64; 3] {
    let (verifier, mut tokens, validation) = (verifier(key, 0), Tokens::default(), validation(theirs.0));
    verifier.verify(token.as_bytes(), NOW_S, &mut tokens).unwrap();
    decode::<IgnoredAny>(token, &theirs.1, &validation).unwrap();
    let mut ours = || drop(black_box(verifier.verify(black_box(token.as_bytes()), NOW_S, &mut tokens)));
    let mut peer = || drop(black_box(decode::<IgnoredAny>(black_box(token), &theirs.1, &validation)));
    let times = in_turns(&mut [("weir", &mut ours), ("jsonwebtoken", &mut peer), ("aws-lc", bare)]);
    let [ours, peer, bare] = [0, 1, 2].map(|index| times[index].best_ns);
    row(
        &format!("{name} weir"),
        &times[0],
        &format!("{:.2} of jsonwebtoken, {:.3} of aws-lc alone", ours / peer, ours / bare),
    );
    row(&format!("{name} jsonwebtoken"), &times[1], "");
    row(&format!("{name} aws-lc alone"), &times[2], "");
    [ours, peer, bare]
}

fn es256(goals: &mut Goals) {
    let pair = raw::EcdsaKeyPair::generate(&raw::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let token =
        token("ES256", CLAIMS, |message| pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec());
    let point = pair.public_key().as_ref();
    let (x, y) = (encode(&point[1..33]), encode(&point[33..]));
    let jwk = format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}"#);
    let set = weir_policy::jwt::json::Document::parse(jwk.into_bytes(), weir_policy::jwt::json::Limits::KEYS)
        .unwrap();
    let parsed = raw::ParsedPublicKey::new(&raw::ECDSA_P256_SHA256_FIXED, point).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = weir_policy::jwt::base64::decoded(signature.as_bytes()).unwrap();
    let mut bare = || parsed.verify_sig(black_box(signed.as_bytes()), &signature).unwrap();
    let theirs = (Theirs::ES256, DecodingKey::from_ec_components(&x, &y).unwrap());
    let [ours, _, alone] =
        against_jsonwebtoken("ES256", &token, Key::from_jwk(set.root()).unwrap(), &theirs, &mut bare);
    goals.judge(("P15", "JWT ES256, verified anew", "ns"), ours, Some((alone, "aws-lc alone")), 1.05);
}

fn hs256_uncached(goals: &mut Goals) {
    let token = token("HS256", CLAIMS, hs256);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = weir_policy::jwt::base64::decoded(signature.as_bytes()).unwrap();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, SECRET);
    let mut bare = || aws_lc_rs::hmac::verify(&key, black_box(signed.as_bytes()), &signature).unwrap();
    let theirs = (Theirs::HS256, DecodingKey::from_secret(SECRET));
    let ours = Key::from_secret(SECRET, Some(Algorithm::Hs256)).unwrap();
    let [ours, peer, _] = against_jsonwebtoken("HS256", &token, ours, &theirs, &mut bare);
    goals.judge(("P15", "JWT HS256, verified anew", "ns"), ours, Some((peer, "jsonwebtoken")), 0.3);
}

fn eddsa() {
    let pair = raw::Ed25519KeyPair::generate().unwrap();
    let token = token("EdDSA", CLAIMS, |message| pair.sign(message).as_ref().to_vec());
    let x = encode(pair.public_key().as_ref());
    let jwk = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#);
    let set = weir_policy::jwt::json::Document::parse(jwk.into_bytes(), weir_policy::jwt::json::Limits::KEYS)
        .unwrap();
    let parsed = raw::ParsedPublicKey::new(&raw::ED25519, pair.public_key().as_ref()).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = weir_policy::jwt::base64::decoded(signature.as_bytes()).unwrap();
    let mut bare = || parsed.verify_sig(black_box(signed.as_bytes()), &signature).unwrap();
    let theirs = (Theirs::EdDSA, DecodingKey::from_ed_components(&x).unwrap());
    against_jsonwebtoken("EdDSA", &token, Key::from_jwk(set.root()).unwrap(), &theirs, &mut bare);
}

/// Tokens that were verified before, in an order that no cache of the processor can foresee.
fn cached(count: usize) -> f64 {
    let verifier = verifier(Key::from_secret(SECRET, None).unwrap(), count * 2);
    let mut tokens = Tokens::default();
    let text = |number: usize| token("HS256", &CLAIMS.replace("1234567890", &format!("{number:010}")), hs256);
    let all: Vec<String> = (0..count).map(text).collect();
    for token in &all {
        verifier.verify(token.as_bytes(), NOW_S, &mut tokens).unwrap();
    }
    assert!(tokens.len() > count * 9 / 10, "{} of {count}", tokens.len());
    let mut at = 0_usize;
    let mut look = || {
        at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        drop(black_box(verifier.verify(all[(at >> 33) % count].as_bytes(), NOW_S, &mut tokens)));
    };
    let times = in_turns(&mut [("cached", &mut look)]);
    row(&format!("cached, {count} tokens of {} bytes", all[0].len()), &times[0], "");
    times[0].best_ns
}

fn main() {
    let mut goals = Goals::default();
    goals.judge(("P15", "JWT known from before, 1,000 tokens", "ns"), cached(1_000), None, 500.0);
    cached(65_536);
    hs256_uncached(&mut goals);
    es256(&mut goals);
    eddsa();
    goals.write("jwt.json");
}
