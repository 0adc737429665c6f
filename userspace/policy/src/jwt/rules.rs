//! What an issuer's tokens have to say before they are believed (RFC 7519, section 4.1).
use super::claims::numeric_date;
use super::json::{Document, Value};
use super::{Algorithm, ClaimPath, Claims, Memory, Refusal};
use regex_automata::meta::Regex;

/// The rules for one issuer.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Accepted values of `iss`; not looked at when empty.
    pub issuers: Vec<Box<str>>,
    /// Accepted values of `aud`; not looked at when empty.
    pub audiences: Vec<Box<str>>,
    /// Accepted values of `typ`, when a token has one.
    pub types: Vec<Box<str>>,
    /// Algorithms that are accepted of those that the keys allow; all when empty.
    pub algorithms: Vec<Algorithm>,
    /// How far clocks may differ.
    pub leeway_s: u64,
    /// The longest time that a token may still have to live.
    pub lifetime_max_s: Option<u64>,
    /// Whether a token without `exp` is refused.
    pub needs_expiry: bool,
    /// The largest token.
    pub bytes_max: usize,
    /// Further claims.
    pub claims: Vec<ClaimRule>,
    /// How much is remembered of the tokens that were verified.
    pub memory: Memory,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            issuers: Vec::new(),
            audiences: Vec::new(),
            types: vec!["JWT".into(), "at+jwt".into()],
            algorithms: Vec::new(),
            leeway_s: 30,
            lifetime_max_s: None,
            needs_expiry: true,
            bytes_max: 8 * 1024,
            claims: Vec::new(),
            memory: Memory::default(),
        }
    }
}

/// A demand on one claim.
#[derive(Clone, Debug)]
pub struct ClaimRule {
    /// Which claim.
    pub path: ClaimPath,
    /// What it must be.
    pub test: ClaimTest,
}

/// What a claim must be. Numbers and truth values are compared as they are written.
#[derive(Clone, Debug)]
pub enum ClaimTest {
    /// One of these texts, exactly.
    Equals(Vec<Box<str>>),
    /// A list with this text in it, or words separated by spaces (RFC 8693, section 4.2) of which it is one.
    Contains(Box<str>),
    /// A text that begins so.
    Prefix(Box<str>),
    /// A text that ends so.
    Suffix(Box<str>),
    /// A text in which this is found; searched in time linear in the text.
    Regex(Box<Regex>),
    /// There, or not there.
    Present(bool),
    /// The test inside fails, also for want of a claim.
    Not(Box<ClaimTest>),
}

impl ClaimTest {
    pub(super) fn passes(&self, claim: Option<Value<'_>>) -> bool {
        let text = claim.and_then(Value::scalar);
        match self {
            ClaimTest::Equals(wanted) => wanted.iter().any(|wanted| text == Some(wanted.as_bytes())),
            ClaimTest::Contains(wanted) => claim.is_some_and(|claim| contains(claim, wanted.as_bytes())),
            ClaimTest::Prefix(wanted) => text.is_some_and(|text| text.starts_with(wanted.as_bytes())),
            ClaimTest::Suffix(wanted) => text.is_some_and(|text| text.ends_with(wanted.as_bytes())),
            ClaimTest::Regex(wanted) => text.is_some_and(|text| wanted.is_match(text)),
            ClaimTest::Present(wanted) => claim.is_some() == *wanted,
            ClaimTest::Not(inner) => !inner.passes(claim),
        }
    }
}

fn contains(claim: Value<'_>, wanted: &[u8]) -> bool {
    let is_word = |text: &[u8]| text.split(|&byte| byte == b' ').any(|word| word == wanted);
    claim.items().any(|item| item.scalar() == Some(wanted)) || claim.text().is_some_and(is_word)
}

/// The claims that RFC 7519, section 4.1, gives a meaning, found in one walk.
#[derive(Default)]
struct Registered<'c> {
    expires: Option<Value<'c>>,
    begins: Option<Value<'c>>,
    issued: Option<Value<'c>>,
    issuer: Option<Value<'c>>,
    audience: Option<Value<'c>>,
}

impl<'c> Registered<'c> {
    fn find(claims: Value<'c>) -> Registered<'c> {
        let mut found = Registered::default();
        for (name, value) in claims.members() {
            match name {
                b"exp" => found.expires = Some(value),
                b"nbf" => found.begins = Some(value),
                b"iat" => found.issued = Some(value),
                b"iss" => found.issuer = Some(value),
                b"aud" => found.audience = Some(value),
                _ => {}
            }
        }
        found
    }
}

impl Rules {
    /// Judges the claims of a token whose signature is good.
    pub(super) fn judge(&self, document: Document, now_s: u64) -> Result<Claims, Refusal> {
        let claims = document.root();
        if !claims.is_object() {
            return Err(Refusal::Claims);
        }
        let registered = Registered::find(claims);
        let (from_s, until_s) = self.times(&registered, now_s)?;
        self.issuer(registered.issuer)?;
        self.audience(registered.audience)?;
        let claims = Claims { document, from_s, until_s };
        let broken = |rule: &ClaimRule| !claims.meet(rule);
        match self.claims.iter().position(broken) {
            Some(index) => Err(Refusal::Claim(u16::try_from(index).unwrap_or(u16::MAX))),
            None => Ok(claims),
        }
    }

    /// Section 4.1.4: "on or after which the JWT MUST NOT be accepted"; 4.1.5 "before which"; 4.1.6: `iat`.
    fn times(&self, claims: &Registered<'_>, now_s: u64) -> Result<(u64, u64), Refusal> {
        let date = |claim: Option<Value<'_>>| {
            claim.map(|value| numeric_date(value).ok_or(Refusal::Claims)).transpose()
        };
        let (expires, begins, issued) = (date(claims.expires)?, date(claims.begins)?, date(claims.issued)?);
        if expires.is_none() && (self.needs_expiry || self.lifetime_max_s.is_some()) {
            return Err(Refusal::NoExpiry);
        }
        let until_s = expires.map_or(u64::MAX, |date| whole(date.floor()).saturating_add(self.leeway_s));
        let begins = begins.unwrap_or(0.0).max(issued.unwrap_or(0.0));
        let from_s = whole(begins.ceil()).saturating_sub(self.leeway_s);
        if now_s >= until_s {
            return Err(Refusal::Expired);
        }
        if now_s < from_s {
            return Err(Refusal::NotYet);
        }
        match (expires, self.lifetime_max_s) {
            (Some(date), Some(max_s)) if whole(date.ceil()).saturating_sub(now_s) > max_s => {
                Err(Refusal::TooLongLived)
            }
            _ => Ok((from_s, until_s)),
        }
    }

    /// Section 4.1.1; compared exactly.
    fn issuer(&self, issuer: Option<Value<'_>>) -> Result<(), Refusal> {
        match issuer.map(Value::text) {
            Some(None) => Err(Refusal::Claims),
            _ if self.issuers.is_empty() => Ok(()),
            Some(Some(found)) if self.issuers.iter().any(|wanted| wanted.as_bytes() == found) => Ok(()),
            _ => Err(Refusal::Issuer),
        }
    }

    /// Section 4.1.3: one string or a list of strings.
    fn audience(&self, audience: Option<Value<'_>>) -> Result<(), Refusal> {
        let Some(audience) = audience else {
            return if self.audiences.is_empty() { Ok(()) } else { Err(Refusal::Audience) };
        };
        let is_list = audience.is_array() && audience.items().all(|item| item.text().is_some());
        if audience.text().is_none() && !is_list {
            return Err(Refusal::Claims);
        }
        let is_ours =
            |value: Value<'_>| self.audiences.iter().any(|ours| value.text() == Some(ours.as_bytes()));
        let found = self.audiences.is_empty() || is_ours(audience) || audience.items().any(is_ours);
        if found { Ok(()) } else { Err(Refusal::Audience) }
    }
}

fn whole(date: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "numeric_date lets only whole seconds through that a u64 holds"
    )]
    {
        date as u64
    }
}
