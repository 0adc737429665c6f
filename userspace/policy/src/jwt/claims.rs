//! What a verified token says, and between which moments it may be believed.
use super::ClaimRule;
use super::json::{Document, Value};

/// The claims of a verified token.
#[derive(Debug)]
pub struct Claims {
    pub(super) document: Document,
    /// The token counts from this second on, leeway included.
    pub(super) from_s: u64,
    /// The token no longer counts at this second, leeway included.
    pub(super) until_s: u64,
}

impl Claims {
    /// The claim at a place.
    pub fn find(&self, path: &ClaimPath) -> Option<Value<'_>> {
        path.find(self.document.root())
    }

    /// The text of a scalar claim at a place.
    pub fn text(&self, path: &ClaimPath) -> Option<&[u8]> {
        self.find(path).and_then(Value::scalar)
    }

    /// Whether a rule is met.
    pub fn meet(&self, rule: &ClaimRule) -> bool {
        rule.test.passes(self.find(&rule.path))
    }

    /// The second from which on the token is refused, leeway included.
    pub fn until_s(&self) -> u64 {
        self.until_s
    }

    pub(super) fn holds_at(&self, now_s: u64) -> bool {
        (self.from_s..self.until_s).contains(&now_s)
    }
}

/// Where a claim stands: its name, or names from the outermost object inwards, joined by points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPath {
    whole: Box<str>,
}

impl ClaimPath {
    /// A path as it is written in the configuration.
    pub fn new(text: &str) -> ClaimPath {
        ClaimPath { whole: text.into() }
    }

    /// The path as written.
    pub fn as_str(&self) -> &str {
        &self.whole
    }

    /// Names may contain points themselves (addresses do), so the whole text is tried as one name first.
    fn find<'a>(&self, claims: Value<'a>) -> Option<Value<'a>> {
        let whole = self.whole.as_bytes();
        claims.member(whole).or_else(|| {
            let mut names = whole.split(|&byte| byte == b'.');
            names.clone().nth(1)?;
            names.try_fold(claims, |value, name| value.member(name))
        })
    }
}

/// RFC 7519, section 2: a NumericDate is a JSON number. Text, `null`, negative and infinite ones are no dates.
pub(super) fn numeric_date(value: Value<'_>) -> Option<f64> {
    /// The last whole second that a double tells from the next one.
    const LAST: f64 = 9_007_199_254_740_991.0;
    let text = value.number()?;
    // Nearly all dates are a few digits, which need no general reading.
    let digits = |sum: u64, byte: &u8| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0'));
    let plain = if text.len() <= 10 { text.iter().try_fold(0, digits) } else { None };
    if let Some(date) = plain.and_then(|date| u32::try_from(date).ok()) {
        return Some(f64::from(date));
    }
    let date: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (date.is_sign_positive() && date <= LAST).then_some(date)
}
