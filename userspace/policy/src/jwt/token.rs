//! The compact form of a JWS (RFC 7515, section 7.1) and its protected header.
use super::json::{Document, Limits};
use super::scan::{last_position, position};
use super::{Algorithm, Refusal, base64};

/// The three parts of a token as they stand in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compact<'t> {
    /// Header and payload with the point between them: what is signed.
    pub(super) signed: &'t [u8],
    pub(super) header: &'t [u8],
    pub(super) payload: &'t [u8],
    pub(super) signature: &'t [u8],
}

impl<'t> Compact<'t> {
    /// Splits a token at its first point and its last, which is soon found. None of the parts may be empty: an empty
    /// signature is that of `none`. A fourth part makes the payload one that cannot be decoded.
    pub(super) fn parse(token: &'t [u8]) -> Result<Compact<'t>, Refusal> {
        let (first, last) =
            position(token, b'.').zip(last_position(token, b'.')).ok_or(Refusal::Malformed)?;
        let part = |from: usize, to: usize| token.get(from..to).filter(|part| !part.is_empty());
        let parts = part(0, first).zip(part(first + 1, last)).zip(part(last + 1, token.len()));
        let ((header, payload), signature) = parts.ok_or(Refusal::Malformed)?;
        let signed = token.get(..last).ok_or(Refusal::Malformed)?;
        Ok(Compact { signed, header, payload, signature })
    }
}

/// What the header of a token says and we act on. Keys and addresses of keys in it are not looked at.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) algorithm: Algorithm,
    document: Document,
}

impl Header {
    pub(super) fn parse(text: &[u8], types: &[Box<str>]) -> Result<Header, Refusal> {
        let plain = base64::decoded(text).ok_or(Refusal::Malformed)?;
        let document = Document::parse(plain, Limits::TOKEN).ok_or(Refusal::Malformed)?;
        let header = document.root();
        let member = |name: &[u8]| header.member(name);
        // RFC 7515, section 4.1.11: we understand no extension, so each one that is critical is a refusal.
        // RFC 7797: a payload that is not encoded. RFC 7516: `zip` and `enc` belong to another kind of token.
        let foreign = member(b"crit").is_some()
            || member(b"zip").is_some()
            || member(b"enc").is_some()
            || member(b"b64").is_some_and(|b64| b64.truth() != Some(true));
        if foreign || !header.is_object() {
            return Err(Refusal::Header);
        }
        // RFC 7519, section 5.2: `cty` says that the claims are another token.
        if member(b"cty").is_some() || member(b"kid").is_some_and(|kid| kid.text().is_none()) {
            return Err(Refusal::Header);
        }
        if !member(b"typ").is_none_or(|typ| typ.text().is_some_and(|typ| is_wanted(typ, types))) {
            return Err(Refusal::Type);
        }
        let name = member(b"alg").and_then(|alg| alg.text()).ok_or(Refusal::Header)?;
        let algorithm = Algorithm::parse(name).ok_or(Refusal::Algorithm)?;
        Ok(Header { algorithm, document })
    }

    pub(super) fn kid(&self) -> Option<&[u8]> {
        self.document.root().member(b"kid").and_then(|kid| kid.text())
    }
}

/// RFC 7515, section 4.1.9: types are compared as media types, whose `application/` may be left out.
fn is_wanted(typ: &[u8], types: &[Box<str>]) -> bool {
    let short = match typ.split_at_checked(12) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(b"application/") && !rest.contains(&b'/') => rest,
        _ => typ,
    };
    types.iter().any(|wanted| wanted.as_bytes().eq_ignore_ascii_case(short))
}
