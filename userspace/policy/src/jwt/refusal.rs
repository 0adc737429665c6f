//! Why a token is not believed.

/// What is wrong with a token. The words go to the client (RFC 6750, section 3: `error_description`), so they
/// tell nothing that a forger could use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// More bytes than allowed.
    #[error("token too long")]
    TooLong,
    /// Not three parts in strict base64url, or the header is not JSON.
    #[error("malformed token")]
    Malformed,
    /// The header lacks `alg`, has a critical extension, or means another kind of token.
    #[error("unacceptable token header")]
    Header,
    /// `typ` is not one of those that are accepted here.
    #[error("unacceptable token type")]
    Type,
    /// The key for this token does not allow the algorithm.
    #[error("unacceptable token algorithm")]
    Algorithm,
    /// No key has the token's `kid`.
    #[error("unknown key")]
    UnknownKey,
    /// The signature is wrong.
    #[error("bad signature")]
    Signature,
    /// The claims are not a JSON object, or a registered one has a wrong type.
    #[error("malformed claims")]
    Claims,
    /// `exp` is missing.
    #[error("token without expiry")]
    NoExpiry,
    /// `exp` has passed.
    #[error("token expired")]
    Expired,
    /// `nbf` or `iat` lies ahead.
    #[error("token not yet valid")]
    NotYet,
    /// `exp` lies too far ahead.
    #[error("token lives too long")]
    TooLongLived,
    /// `iss` is another.
    #[error("unacceptable issuer")]
    Issuer,
    /// `aud` does not name us.
    #[error("unacceptable audience")]
    Audience,
    /// The rule with this index of [`super::Rules::claims`] is not met; the token itself is good.
    #[error("insufficient claims")]
    Claim(u16),
}
