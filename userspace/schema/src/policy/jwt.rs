//! `jwt`: lets only requests with a valid token pass.

use std::time::Duration;

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::node::Node;
use crate::reader::Reader;
use crate::section::{section, words};
use crate::shape::Shape;
use crate::span::{At, Span};
use crate::value::{Checked, HeaderName, Map, Material, Name, Secret, Short, Size, TextMatch, Url, Value};

use super::key_auth::{anonymous, carriers, realm};

/// The most tokens that a cache may be made for: their table alone takes 50 bytes for each.
const TOKENS_MAX: u32 = 10_000_000;

section! {
    /// Lets only requests with a valid token pass (RFC 7519, RFC 8725).
    pub struct Jwt "jwt" [checked, needed] {
        /// The keys, at a URL that is asked again as its answers allow.
        pub jwks: Option<At<Url>>,
        /// The keys, in a file.
        pub jwks_file: Option<At<Material>>,
        /// Keys written here.
        pub keys: Vec<At<JwtKey>>,
        /// Find the keys by OpenID Connect discovery below `issuer`.
        pub discovery: At<bool> = false,
        /// Who must have issued the token (`iss`).
        pub issuer: Option<At<String>>,
        /// For whom it must be (`aud`): one of these.
        pub audience: Vec<At<String>>,
        /// Algorithms accepted; left out, those that the keys are made for. Never `none`.
        pub algorithms: Vec<At<JwtAlgorithm>>,
        /// Claims that must hold.
        pub claims: Map<TextMatch>,
        /// Headers, cookies or parameters that may carry the token, in this order; left out, `Authorization: Bearer`.
        pub from: Vec<At<crate::value::HashKey>>,
        /// By how much clocks may differ.
        pub leeway: At<Duration> = Duration::from_secs(30),
        /// The longest time a token may still be valid; left out, any.
        pub maximum_expiration: Option<At<Duration>>,
        /// Pass the token on; otherwise the upstream does not see it.
        pub forward: At<bool> = true,
        /// Headers for the upstream from claims; what the client sent under these names is removed.
        pub to_headers: Map<String>,
        /// The claim that names the consumer.
        pub consumer_claim: At<String> = "sub".to_owned(),
        /// Let requests without a token pass, as nobody; a wrong token is refused all the same.
        pub optional: At<bool> = false,
        /// The consumer that requests without a token stand for, with `optional`.
        pub anonymous: Option<At<Name>>,
        /// The claim that lists groups, for `acl` and for limits by group.
        pub groups_claim: Option<At<String>>,
        /// Types accepted (`typ`) where a token has one.
        pub types: Vec<At<String>>,
        /// Let tokens pass that never expire.
        pub allow_no_expiry: At<bool> = false,
        /// The largest token.
        pub token_max: At<Size> = Size::kib(8),
        /// The realm in challenges.
        pub realm: At<String> = "weir".to_owned(),
        /// How many verified tokens are remembered; or `tokens`, `memory` and `ttl`.
        pub cache: At<TokenCache>,
    }
}

impl Checked for Jwt {
    fn check(&self, span: Span, reader: &mut Reader<'_>) {
        carriers(&self.from, reader);
        realm(&self.realm, reader);
        anonymous(self.anonymous.as_ref(), &self.optional, reader);
        let keys = self.keys.first().map(|key| key.span);
        let discovery = Some(&self.discovery).filter(|found| found.value).map(|found| found.span);
        let sources = [
            self.jwks.as_ref().map(|found| found.span),
            self.jwks_file.as_ref().map(|found| found.span),
            keys,
            discovery,
        ];
        let written: Vec<Span> = sources.into_iter().flatten().collect();
        match written.as_slice() {
            [_] => {}
            [] => {
                let found = Diagnostic::new(Code::NoKeys, span, "this token could not be checked: no keys");
                reader.push(found.hint(
                    "Give `jwks: https://…`, `jwks_file`, `keys`, or `discovery: true` with an `issuer`.",
                ));
            }
            [first, second, ..] => {
                let found = Diagnostic::new(Code::NoKeys, *second, "keys come from one source")
                    .also(*first, "the other");
                reader.push(found.hint("Keep one; two issuers are two policies."));
            }
        }
        if let (Some(at), None) = (discovery, &self.issuer) {
            reader.push(Diagnostic::new(Code::MissingKey, at, "`discovery` needs an `issuer` to begin from"));
        }
        for (header, _) in self.to_headers.iter() {
            if <HeaderName as crate::value::Leaf>::parse(header).is_err() {
                reader.push(Diagnostic::new(
                    Code::Header,
                    header.span,
                    format!("`{}` is not the name of a header", header.value),
                ));
            }
        }
    }
}

section! {
    /// What each worker remembers of the tokens that it has verified; all of it is forgotten when the keys change.
    pub struct TokenCache "cache" [short, checked] {
        /// How many tokens; 0 remembers none.
        pub tokens: At<u32> = 10_000,
        /// How much memory they may take.
        pub memory: At<Size> = Size::mib(16),
        /// After how long a token is verified anew; it is never believed beyond its own end.
        pub ttl: At<Duration> = Duration::from_secs(300),
    }
}

impl Checked for TokenCache {
    fn check(&self, _span: Span, reader: &mut Reader<'_>) {
        if self.tokens.value > TOKENS_MAX {
            let message = format!("more than {TOKENS_MAX} tokens are not remembered");
            reader.push(Diagnostic::new(Code::Number, self.tokens.span, message));
        }
        if self.ttl.value.is_zero() {
            let found = Diagnostic::new(Code::Duration, self.ttl.span, "nothing is remembered for no time");
            reader.push(found.hint("Write `cache: 0` to remember nothing."));
        }
    }
}

impl Short for TokenCache {
    fn short(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let tokens = At::new(u32::read(node, reader)?, node.span);
        let cache = Self { tokens, ..Self::blank()? };
        cache.check(node.span, reader);
        Some(cache)
    }

    fn short_shape() -> Shape {
        <u32 as Value>::shape()
    }
}

section! {
    /// A key written here.
    pub struct JwtKey "key" [checked] {
        /// Its id, as tokens name it (`kid`).
        pub id: Option<At<String>>,
        /// The algorithm it is for.
        pub algorithm: At<JwtAlgorithm>,
        /// The shared secret, for `HS…`.
        pub secret: Option<At<Secret>>,
        /// The public key as PEM, for all others.
        pub public_key: Option<At<Material>>,
    }
}

impl Checked for JwtKey {
    fn check(&self, span: Span, reader: &mut Reader<'_>) {
        let shared = self.algorithm.value.is_shared();
        let (wanted, has, other) = match shared {
            true => ("secret", self.secret.is_some(), self.public_key.as_ref().map(|key| key.span)),
            false => ("public_key", self.public_key.is_some(), self.secret.as_ref().map(|key| key.span)),
        };
        let algorithm = self.algorithm.value.as_str();
        if !has {
            reader.push(Diagnostic::new(
                Code::MissingKey,
                span,
                format!("a key for {algorithm} needs `{wanted}`"),
            ));
        }
        if let Some(other) = other {
            reader.push(
                Diagnostic::new(
                    Code::Conflict,
                    other,
                    format!("this is not what a key for {algorithm} is made of"),
                )
                .hint(format!("It needs `{wanted}`.")),
            );
        }
    }
}

words! {
    /// A way to sign.
    pub enum JwtAlgorithm "an algorithm for tokens" {
        /// HMAC with SHA-256.
        Hs256 = "HS256",
        /// HMAC with SHA-384.
        Hs384 = "HS384",
        /// HMAC with SHA-512.
        Hs512 = "HS512",
        /// RSA PKCS #1 with SHA-256.
        Rs256 = "RS256",
        /// RSA PKCS #1 with SHA-384.
        Rs384 = "RS384",
        /// RSA PKCS #1 with SHA-512.
        Rs512 = "RS512",
        /// RSA PSS with SHA-256.
        Ps256 = "PS256",
        /// RSA PSS with SHA-384.
        Ps384 = "PS384",
        /// RSA PSS with SHA-512.
        Ps512 = "PS512",
        /// ECDSA on P-256.
        Es256 = "ES256",
        /// ECDSA on P-384.
        Es384 = "ES384",
        /// ECDSA on P-521.
        Es512 = "ES512",
        /// Ed25519.
        EdDsa = "EdDSA",
    }
}

impl JwtAlgorithm {
    /// Signer and verifier share one secret.
    #[must_use]
    pub fn is_shared(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }
}
