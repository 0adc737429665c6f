//! An answer of OCSP (RFC 6960), looked into as far as it takes to know that a client could use it now.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use rustls::pki_types::UnixTime;
use std::time::Duration;
use x509_parser::asn1_rs::{Any, Class, FromDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::time::ASN1Time;

/// How far the clocks of an authority and of this machine may be apart.
const SKEW: Duration = Duration::from_secs(300);

const SEQUENCE: u32 = 16;
const INTEGER: u32 = 2;
const OCTETS: u32 = 4;
const OBJECT: u32 = 6;
const ENUMERATED: u32 = 10;
const BASIC: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 48, 1, 1];
const SHA1: &[u8] = &[0x2b, 14, 3, 2, 26];
const SHA2_256: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];

/// Why clients are not shown an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It is none, or it belongs to something else: whoever put it there has made a mistake.
    Wrong(&'static str),
    /// It does not count at this moment. The certificate is shown without it.
    Untimely(&'static str),
}

/// Until when a successful answer says that a certificate is good; without an end if it names none. `chain` begins with the
/// certificate, and its issuer may follow. The signature is for clients to check.
pub(super) fn good_until(
    answer: &[u8],
    chain: &[X509Certificate<'_>],
    now: UnixTime,
) -> Result<Option<UnixTime>, Unfit> {
    const NONE: Unfit = Unfit::Wrong("this is no answer of OCSP in DER");
    let mut response = whole(answer).ok_or(NONE)?;
    if take(&mut response, Class::Universal, ENUMERATED).ok_or(NONE)? != [0] {
        return Err(Unfit::Wrong("the authority has answered with an error"));
    }
    let mut singles = singles(response).ok_or(NONE)?;
    while !singles.is_empty() {
        let single =
            Single::parse(take(&mut singles, Class::Universal, SEQUENCE).ok_or(NONE)?).ok_or(NONE)?;
        if single.is_about(chain).ok_or(NONE)? {
            return single.counts(now);
        }
    }
    Err(Unfit::Wrong("this is an answer about another certificate"))
}

/// RFC 6960, section 4.2.1: the answers within a basic response.
fn singles(mut response: &[u8]) -> Option<&[u8]> {
    let mut explicit = take(&mut response, Class::ContextSpecific, 0)?;
    let mut bytes = take(&mut explicit, Class::Universal, SEQUENCE)?;
    if take(&mut bytes, Class::Universal, OBJECT)? != BASIC {
        return None;
    }
    let mut basic = whole(take(&mut bytes, Class::Universal, OCTETS)?)?;
    let mut data = take(&mut basic, Class::Universal, SEQUENCE)?;
    let _version = take(&mut data, Class::ContextSpecific, 0);
    let by_name = take(&mut data, Class::ContextSpecific, 1);
    let _responder = by_name.or_else(|| take(&mut data, Class::ContextSpecific, 2))?;
    let _produced = time(&mut data)?;
    take(&mut data, Class::Universal, SEQUENCE)
}

/// What is said about one certificate.
struct Single<'a> {
    hash: &'a [u8],
    issuer_name: &'a [u8],
    issuer_key: &'a [u8],
    serial: &'a [u8],
    is_good: bool,
    from: UnixTime,
    until: Option<UnixTime>,
}

impl<'a> Single<'a> {
    fn parse(mut single: &'a [u8]) -> Option<Single<'a>> {
        let mut id = take(&mut single, Class::Universal, SEQUENCE)?;
        let mut algorithm = take(&mut id, Class::Universal, SEQUENCE)?;
        let hash = take(&mut algorithm, Class::Universal, OBJECT)?;
        let [issuer_name, issuer_key] =
            [take(&mut id, Class::Universal, OCTETS)?, take(&mut id, Class::Universal, OCTETS)?];
        let serial = take(&mut id, Class::Universal, INTEGER)?;
        let is_good = take(&mut single, Class::ContextSpecific, 0).is_some();
        if !is_good {
            let revoked = take(&mut single, Class::ContextSpecific, 1);
            revoked.or_else(|| take(&mut single, Class::ContextSpecific, 2))?;
        }
        let from = time(&mut single)?;
        let until = match take(&mut single, Class::ContextSpecific, 0) {
            Some(mut explicit) => Some(time(&mut explicit)?),
            None => None,
        };
        Some(Single { hash, issuer_name, issuer_key, serial, is_good, from, until })
    }

    /// Whether the certificate is meant: by its number, and by the name and the key of whoever has issued it. Nothing is
    /// known of that key where the chain does not hold it.
    fn is_about(&self, chain: &[X509Certificate<'_>]) -> Option<bool> {
        let hash = match self.hash {
            SHA1 => &SHA1_FOR_LEGACY_USE_ONLY,
            SHA2_256 => &SHA256,
            _ => return None,
        };
        let own = chain.first()?;
        let is_key = |issuer: &X509Certificate<'_>| {
            digest(hash, &issuer.public_key().subject_public_key.data).as_ref() == self.issuer_key
        };
        Some(
            own.raw_serial() == self.serial
                && digest(hash, own.issuer().as_raw()).as_ref() == self.issuer_name
                && chain.get(1).is_none_or(is_key),
        )
    }

    /// Section 3.2: it is current, and good news.
    fn counts(&self, now: UnixTime) -> Result<Option<UnixTime>, Unfit> {
        if !self.is_good {
            return Err(Unfit::Untimely("the authority does not say that the certificate is good"));
        }
        if self.from.as_secs() > now.as_secs().saturating_add(SKEW.as_secs()) {
            return Err(Unfit::Untimely("it counts only later"));
        }
        match self.until {
            Some(until) if until.as_secs() <= now.as_secs() => Err(Unfit::Untimely("it has expired")),
            until => Ok(until),
        }
    }
}

/// What a sequence contains that is all there is.
fn whole(der: &[u8]) -> Option<&[u8]> {
    let mut rest = der;
    take(&mut rest, Class::Universal, SEQUENCE).filter(|_| rest.is_empty())
}

/// What the next value contains, if it is of this kind.
fn take<'a>(rest: &mut &'a [u8], class: Class, tag: u32) -> Option<&'a [u8]> {
    let (after, any) = Any::from_der(rest).ok()?;
    if any.class() != class || any.tag().0 != tag {
        return None;
    }
    *rest = after;
    Some(any.data)
}

fn time(rest: &mut &[u8]) -> Option<UnixTime> {
    let (after, time) = ASN1Time::from_der(rest).ok()?;
    *rest = after;
    let seconds = u64::try_from(time.timestamp()).ok()?;
    Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
}

#[cfg(test)]
mod tests;
