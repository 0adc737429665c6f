//! A key that signatures are checked with, and the algorithms that it, not the token, allows.
use super::json::Value;
use super::{Algorithm, base64, der};
use aws_lc_rs::{hmac, signature as raw};

/// Why a key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not JSON, not an object, or a member of a wrong type.
    #[error("malformed key")]
    Malformed,
    /// `kty`, `crv` or the algorithm is not offered, or they do not fit each other.
    #[error("key type, curve and algorithm are not offered or do not fit each other")]
    Unsupported,
    /// `use` or `key_ops` says that the key is for something else (RFC 7517, sections 4.2 and 4.3).
    #[error("the key is not meant for verifying signatures")]
    Purpose,
    /// RSA below 2048 bits, or a secret shorter than its hash (RFC 7518, sections 3.2 and 3.3).
    #[error("the key is too short")]
    TooShort,
    /// The numbers of the key are not a valid key.
    #[error("the key is invalid")]
    Invalid,
    /// A secret in a document that is fetched.
    #[error("a symmetric key in a public document")]
    Symmetric,
    /// No PEM block with a public key.
    #[error("no PUBLIC KEY or RSA PUBLIC KEY block")]
    NotPem,
    /// The document has more keys, or is larger, than allowed.
    #[error("too many keys")]
    TooMany,
}

/// One key with a check for each algorithm that it allows.
#[derive(Debug)]
pub struct Key {
    id: Option<Box<[u8]>>,
    checks: Vec<(Algorithm, Check)>,
}

/// A key prepared for one algorithm.
pub(super) enum Check {
    Secret(Box<hmac::Key>),
    Public(raw::ParsedPublicKey),
}

impl std::fmt::Debug for Check {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Check::Secret(_) => "Secret",
            Check::Public(_) => "Public",
        })
    }
}

impl Check {
    pub(super) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Check::Secret(key) => hmac::verify(key, message, signature).is_ok(),
            Check::Public(key) => key.verify_sig(message, signature).is_ok(),
        }
    }
}

impl Key {
    /// The `kid`, if it has one.
    pub fn id(&self) -> Option<&[u8]> {
        self.id.as_deref()
    }

    /// Whether the key is a secret.
    pub fn is_symmetric(&self) -> bool {
        matches!(self.checks.first(), Some((_, Check::Secret(_))))
    }

    /// The algorithms that the key allows.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.checks.iter().map(|(algorithm, _)| *algorithm)
    }

    pub(super) fn check(&self, wanted: Algorithm) -> Option<&Check> {
        self.checks.iter().find(|(algorithm, _)| *algorithm == wanted).map(|(_, check)| check)
    }

    /// The key with another `kid`.
    pub fn named(mut self, id: Option<&[u8]>) -> Key {
        self.id = id.map(Box::from);
        self
    }

    /// A secret. Without an algorithm it serves every HMAC that it is long enough for.
    pub fn from_secret(secret: &[u8], algorithm: Option<Algorithm>) -> Result<Key, KeyError> {
        let wanted = narrow(&Algorithm::HMAC, algorithm)?;
        let fitting =
            wanted.iter().filter_map(|&algorithm| Some((algorithm, secret_check(algorithm, secret)?)));
        Key { id: None, checks: fitting.collect() }.or_else(KeyError::TooShort)
    }

    /// A public key as PEM: `PUBLIC KEY` (any type) or `RSA PUBLIC KEY`.
    pub fn from_pem(text: &str, algorithm: Option<Algorithm>) -> Result<Key, KeyError> {
        let labels = ["PUBLIC KEY", "RSA PUBLIC KEY"];
        let (label, key) = der::unwrap_pem(text, &labels).ok_or(KeyError::NotPem)?;
        let allowed = if label == "PUBLIC KEY" {
            der::algorithms(&key).ok_or(KeyError::Unsupported)?
        } else {
            &Algorithm::RSA
        };
        Key::from_public(&key, &narrow(allowed, algorithm)?)
    }

    /// A JSON Web Key (RFC 7517).
    pub fn from_jwk(jwk: Value<'_>) -> Result<Key, KeyError> {
        is_for_verifying(jwk)?;
        let text =
            |name: &[u8]| jwk.member(name).map(|value| value.text().ok_or(KeyError::Malformed)).transpose();
        let algorithm = match text(b"alg")? {
            Some(name) => Some(Algorithm::parse(name).ok_or(KeyError::Unsupported)?),
            None => None,
        };
        let id = text(b"kid")?;
        let key = match (text(b"kty")?.ok_or(KeyError::Malformed)?, text(b"crv")?) {
            (b"oct", None) => Key::from_secret(&number(jwk, b"k")?, algorithm),
            (b"RSA", None) => from_rsa(jwk, algorithm),
            (b"EC", Some(curve)) => from_point(jwk, curve, algorithm),
            (b"OKP", Some(b"Ed25519")) => {
                Key::from_public(&number_of(jwk, b"x", 32)?, &narrow(&[Algorithm::EdDsa], algorithm)?)
            }
            _ => Err(KeyError::Unsupported),
        }?;
        Ok(key.named(id))
    }

    /// `bytes` is whatever aws-lc takes as a public key of the algorithms, which are of one family.
    fn from_public(bytes: &[u8], algorithms: &[Algorithm]) -> Result<Key, KeyError> {
        let check = |&algorithm: &Algorithm| {
            let parameters = parameters(algorithm).ok_or(KeyError::Unsupported)?;
            let key = raw::ParsedPublicKey::new(parameters, bytes).map_err(|_| KeyError::Invalid)?;
            Ok((algorithm, Check::Public(key)))
        };
        Key { id: None, checks: algorithms.iter().map(check).collect::<Result<_, _>>()? }
            .or_else(KeyError::Unsupported)
    }

    fn or_else(self, error: KeyError) -> Result<Key, KeyError> {
        if self.checks.is_empty() { Err(error) } else { Ok(self) }
    }
}

/// What remains of the allowed algorithms when one is named.
fn narrow(allowed: &[Algorithm], named: Option<Algorithm>) -> Result<Vec<Algorithm>, KeyError> {
    let fitting: Vec<_> =
        allowed.iter().copied().filter(|&algorithm| named.is_none_or(|named| named == algorithm)).collect();
    if fitting.is_empty() { Err(KeyError::Unsupported) } else { Ok(fitting) }
}

/// RFC 7517, section 4.2: `use`; section 4.3: `key_ops`, without duplicates, and consistent with `use`.
fn is_for_verifying(jwk: Value<'_>) -> Result<(), KeyError> {
    if !jwk.is_object() {
        return Err(KeyError::Malformed);
    }
    match jwk.member(b"use").map(Value::text) {
        None | Some(Some(b"sig")) => {}
        Some(Some(_)) => return Err(KeyError::Purpose),
        Some(None) => return Err(KeyError::Malformed),
    }
    let Some(operations) = jwk.member(b"key_ops") else { return Ok(()) };
    let names: Vec<_> = operations.items().map(Value::text).collect();
    if !operations.is_array() || names.contains(&None) || has_duplicates(&names) {
        return Err(KeyError::Malformed);
    }
    if names.contains(&Some(b"verify")) { Ok(()) } else { Err(KeyError::Purpose) }
}

fn has_duplicates<T: PartialEq>(items: &[T]) -> bool {
    items.iter().enumerate().any(|(index, item)| items.iter().skip(index + 1).any(|later| later == item))
}

fn number(jwk: Value<'_>, name: &[u8]) -> Result<Vec<u8>, KeyError> {
    let text = jwk.member(name).and_then(Value::text).ok_or(KeyError::Malformed)?;
    base64::decoded(text).ok_or(KeyError::Malformed)
}

fn number_of(jwk: Value<'_>, name: &[u8], length: usize) -> Result<Vec<u8>, KeyError> {
    number(jwk, name).and_then(|bytes| if bytes.len() == length { Ok(bytes) } else { Err(KeyError::Invalid) })
}

fn from_rsa(jwk: Value<'_>, algorithm: Option<Algorithm>) -> Result<Key, KeyError> {
    let wanted = narrow(&Algorithm::RSA, algorithm)?;
    let (modulus, exponent) = (number(jwk, b"n")?, number(jwk, b"e")?);
    if modulus.len() < 256 || (modulus.len() == 256 && modulus.first().is_none_or(|&top| top < 0x80)) {
        return Err(KeyError::TooShort);
    }
    // RFC 7518, section 6.3.1.1: as few bytes as possible. An exponent above 64 bits only costs us time.
    if modulus.first() == Some(&0) || exponent.first().is_none_or(|&top| top == 0) || exponent.len() > 8 {
        return Err(KeyError::Invalid);
    }
    Key::from_public(&der::rsa_key(&modulus, &exponent).ok_or(KeyError::Invalid)?, &wanted)
}

/// RFC 7518, section 6.2.1: coordinates have the full length of the curve's field.
fn from_point(jwk: Value<'_>, curve: &[u8], algorithm: Option<Algorithm>) -> Result<Key, KeyError> {
    let (allowed, length) = match curve {
        b"P-256" => (Algorithm::Es256, 32),
        b"P-384" => (Algorithm::Es384, 48),
        b"P-521" => (Algorithm::Es512, 66),
        _ => return Err(KeyError::Unsupported),
    };
    let wanted = narrow(&[allowed], algorithm)?;
    let point = [vec![4], number_of(jwk, b"x", length)?, number_of(jwk, b"y", length)?].concat();
    Key::from_public(&point, &wanted)
}

/// RFC 7518, section 3.2: "A key of the same size as the hash output or larger MUST be used".
fn secret_check(algorithm: Algorithm, secret: &[u8]) -> Option<Check> {
    let (algorithm, length_min) = match algorithm {
        Algorithm::Hs256 => (hmac::HMAC_SHA256, 32),
        Algorithm::Hs384 => (hmac::HMAC_SHA384, 48),
        Algorithm::Hs512 => (hmac::HMAC_SHA512, 64),
        _ => return None,
    };
    (secret.len() >= length_min).then(|| Check::Secret(Box::new(hmac::Key::new(algorithm, secret))))
}

fn parameters(algorithm: Algorithm) -> Option<&'static dyn raw::VerificationAlgorithm> {
    Some(match algorithm {
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => return None,
        Algorithm::Rs256 => &raw::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &raw::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &raw::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &raw::RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &raw::RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &raw::RSA_PSS_2048_8192_SHA512,
        Algorithm::Es256 => &raw::ECDSA_P256_SHA256_FIXED,
        Algorithm::Es384 => &raw::ECDSA_P384_SHA384_FIXED,
        Algorithm::Es512 => &raw::ECDSA_P521_SHA512_FIXED,
        Algorithm::EdDsa => &raw::ED25519,
    })
}
