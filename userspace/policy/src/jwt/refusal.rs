//! Why a token is not believed.

/// What is wrong with a token. The words go to the client (RFC 6750, section 3: `error_description`), so they
/// tell nothing that a forger could use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// More bytes than allowed.
    TooLong,
    /// Not three parts in strict base64url, or the header is not JSON.
    Malformed,
    /// The header lacks `alg`, has a critical extension, or means another kind of token.
    Header,
    /// `typ` is not one of those that are accepted here.
    Type,
    /// The key for this token does not allow the algorithm.
    Algorithm,
    /// No key has the token's `kid`.
    UnknownKey,
    /// The signature is wrong.
    Signature,
    /// The claims are not a JSON object, or a registered one has a wrong type.
    Claims,
    /// `exp` is missing.
    NoExpiry,
    /// `exp` has passed.
    Expired,
    /// `nbf` or `iat` lies ahead.
    NotYet,
    /// `exp` lies too far ahead.
    TooLongLived,
    /// `iss` is another.
    Issuer,
    /// `aud` does not name us.
    Audience,
    /// The rule with this index of [`super::Rules::claims`] is not met; the token itself is good.
    Claim(u16),
}

impl Refusal {
    /// The words for the client.
    pub fn as_str(self) -> &'static str {
        match self {
            Refusal::TooLong => "token too long",
            Refusal::Malformed => "malformed token",
            Refusal::Header => "unacceptable token header",
            Refusal::Type => "unacceptable token type",
            Refusal::Algorithm => "unacceptable token algorithm",
            Refusal::UnknownKey => "unknown key",
            Refusal::Signature => "bad signature",
            Refusal::Claims => "malformed claims",
            Refusal::NoExpiry => "token without expiry",
            Refusal::Expired => "token expired",
            Refusal::NotYet => "token not yet valid",
            Refusal::TooLongLived => "token lives too long",
            Refusal::Issuer => "unacceptable issuer",
            Refusal::Audience => "unacceptable audience",
            Refusal::Claim(_) => "insufficient claims",
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.as_str())
    }
}

impl std::error::Error for Refusal {}
