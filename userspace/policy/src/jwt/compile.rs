//! From `jwt` as written to the policy.
use super::{
    Algorithm, ClaimPath, ClaimTest, Jwt, Key, KeyError, KeySet, Memory, Origin, Rules, Source, Verifier,
};
use crate::library::texts;
use crate::{Build, Link, Place};
use regex_automata::meta::Regex;
use std::sync::Arc;
use weir_schema::lookup::OFFLINE;
use weir_schema::policy as written;
use weir_schema::value::{Material, TextMatch, TextTest};
use weir_schema::{At, Code, Diagnostic, Span};

impl Jwt {
    pub(crate) fn compile(written: &written::Jwt, build: &mut Build<'_>) -> Option<Jwt> {
        let (keys, source) = keys(written, build)?;
        let rules = rules(written, build);
        let anonymous = build.anonymous(written.anonymous.as_ref())?;
        let verifier = kept(build, &source).unwrap_or_else(|| Arc::new(Verifier::new(rules, keys)));
        Some(Jwt {
            from: written.from.iter().filter_map(|place| Place::compile(&place.value)).collect(),
            forward: written.forward.value,
            to_headers: {
                let fields = written.to_headers.iter();
                fields
                    .map(|(name, claim)| (name.value.as_str().into(), ClaimPath::new(&claim.value)))
                    .collect()
            },
            consumers: Arc::clone(&build.consumers),
            consumer_claim: ClaimPath::new(&written.consumer_claim),
            groups_claim: written.groups_claim.as_ref().map(|claim| Arc::new(ClaimPath::new(&claim.value))),
            optional: written.optional.value.then_some(anonymous),
            realm: written.realm.value.as_str().into(),
            ..Jwt::new(verifier, source)
        })
    }
}

/// The verifier of the same rule before, with the keys that were fetched for it.
fn kept(build: &Build<'_>, source: &Source) -> Option<Arc<Verifier>> {
    match &build.before.as_ref()?.link {
        Link::Jwt(before) if *source != Source::Fixed => Some(Arc::clone(&before.verifier)),
        _ => None,
    }
}

fn rules(written: &written::Jwt, build: &mut Build<'_>) -> Rules {
    let claims = build.claims(&written.claims);
    let types = texts(&written.types);
    Rules {
        issuers: written.issuer.iter().map(|issuer| issuer.value.as_str().into()).collect(),
        audiences: texts(&written.audience),
        types: if types.is_empty() { Rules::default().types } else { types },
        algorithms: written.algorithms.iter().map(|algorithm| algorithm_of(algorithm.value)).collect(),
        leeway_s: written.leeway.value.as_secs(),
        lifetime_max_s: written.maximum_expiration.as_ref().map(|max| max.value.as_secs()),
        needs_expiry: !written.allow_no_expiry.value,
        bytes_max: usize::try_from(written.token_max.value.0).unwrap_or(usize::MAX),
        claims,
        memory: memory(&written.cache.value),
    }
}

fn memory(written: &written::TokenCache) -> Memory {
    Memory {
        tokens_max: usize::try_from(written.tokens.value).unwrap_or(usize::MAX),
        bytes_max: usize::try_from(written.memory.value.0).unwrap_or(usize::MAX),
        ttl_s: written.ttl.value.as_secs(),
    }
}

/// The keys that are known now, and where others come from.
fn keys(written: &written::Jwt, build: &mut Build<'_>) -> Option<(KeySet, Source)> {
    let none = || KeySet::new(Vec::new());
    if let Some(url) = &written.jwks {
        return Some((none(), Source::Url(url.value.as_str().into())));
    }
    if let (Some(issuer), true) = (&written.issuer, written.discovery.value) {
        return Some((none(), Source::Discovery(issuer.value.as_str().into())));
    }
    if let Some(file) = &written.jwks_file {
        let text = open(file, build)?;
        let set = KeySet::parse(&text, Origin::Local);
        return report(set, file.span, build).map(|set| (set, Source::Fixed));
    }
    // A secret that was not looked up is no key.
    let is_known = |key: &&At<written::JwtKey>| {
        key.value.secret.as_ref().is_none_or(|secret| secret.value.expose() != OFFLINE)
    };
    let keys: Option<Vec<Key>> = written.keys.iter().filter(is_known).map(|key| key_of(key, build)).collect();
    Some((KeySet::new(keys?), Source::Fixed))
}

fn key_of(written: &At<written::JwtKey>, build: &mut Build<'_>) -> Option<Key> {
    let algorithm = Some(algorithm_of(written.value.algorithm.value));
    let (key, span) = match (&written.value.secret, &written.value.public_key) {
        (Some(secret), _) => (Key::from_secret(secret.value.expose().as_bytes(), algorithm), secret.span),
        (None, Some(material)) => {
            let pem = String::from_utf8(open(material, build)?).unwrap_or_default();
            (Key::from_pem(&pem, algorithm), material.span)
        }
        (None, None) => return None,
    };
    let id = written.value.id.as_ref().map(|id| id.value.as_bytes());
    report(key, span, build).map(|key| key.named(id))
}

fn open(material: &At<Material>, build: &mut Build<'_>) -> Option<Vec<u8>> {
    let path = match &material.value {
        Material::Pem(text) => return Some(text.expose().as_bytes().to_vec()),
        Material::File(path) => path,
    };
    let unread = |why: String| format!("`{path}` cannot be read: {why}");
    match (build.files)(path) {
        Ok(bytes) => Some(bytes),
        Err(why) => {
            build.fail(Diagnostic::new(Code::FileUnreadable, material.span, unread(why)));
            None
        }
    }
}

fn report<T>(result: Result<T, KeyError>, span: Span, build: &mut Build<'_>) -> Option<T> {
    let failed = |error: KeyError| {
        let found = Diagnostic::new(Code::NoKeys, span, error.to_string());
        build.fail(match error {
            KeyError::TooShort => found.hint("A secret is at least as long as its hash, 32 bytes for HS256; an RSA key has at least 2048 bits."),
            _ => found,
        });
    };
    result.map_err(failed).ok()
}

fn algorithm_of(written: written::JwtAlgorithm) -> Algorithm {
    // Both are lists of the same registered names.
    Algorithm::parse(written.as_str().as_bytes()).unwrap_or(Algorithm::Es256)
}

impl ClaimTest {
    pub(crate) fn compile(written: &TextMatch) -> Result<ClaimTest, String> {
        Ok(match &written.0 {
            TextTest::Equals(texts) => {
                ClaimTest::Equals(texts.0.iter().map(|text| text.as_str().into()).collect())
            }
            TextTest::Prefix(text) => ClaimTest::Prefix(text.as_str().into()),
            TextTest::Suffix(text) => ClaimTest::Suffix(text.as_str().into()),
            TextTest::Contains(text) => ClaimTest::Contains(text.as_str().into()),
            TextTest::Present(present) => ClaimTest::Present(*present),
            TextTest::Not(inner) => ClaimTest::Not(Box::new(ClaimTest::compile(inner)?)),
            TextTest::Regex(pattern) => {
                let regex =
                    Regex::new(pattern).map_err(|_| format!("`{pattern}` is not a regular expression"))?;
                ClaimTest::Regex(Box::new(regex))
            }
        })
    }
}
