//! Regular expressions as tables: what they cost is known when the plan is compiled, and searching allocates nothing.

use std::fmt;

use regex_automata::dfa::{Automaton, dense};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};

/// A regular expression over bytes, searched for anywhere unless it is anchored by itself.
#[derive(Clone)]
pub struct Pattern {
    text: Box<str>,
    dfa: dense::DFA<Vec<u32>>,
}

impl Pattern {
    /// The table of one expression takes this many bytes at most.
    pub const BYTES_MAX: usize = 1 << 20;

    /// Compiles an expression. Classes such as `\d` are ASCII; a path or header is bytes, not text of a known encoding.
    ///
    /// # Errors
    /// Why it cannot be compiled, in words.
    pub fn new(text: &str) -> Result<Self, String> {
        let config = dense::Config::new()
            .dfa_size_limit(Some(Self::BYTES_MAX))
            .determinize_size_limit(Some(4 * Self::BYTES_MAX))
            .prefilter(None);
        let dfa = dense::Builder::new()
            .configure(config)
            .syntax(syntax::Config::new().unicode(false).utf8(false))
            .thompson(regex_automata::nfa::thompson::Config::new().utf8(false))
            .build(text)
            .map_err(|error| reason(&error))?;
        Ok(Self { text: text.into(), dfa })
    }

    /// It is found in these bytes. Linear in their number, whatever the expression.
    #[must_use]
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        let input = Input::new(bytes).anchored(Anchored::No).earliest(true);
        // The search fails only on bytes or anchors that this table was told to give up on, and it was told none.
        self.dfa.try_search_fwd(&input).is_ok_and(|found| found.is_some())
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The whole segments with which every path begins in which this is found; `""` if that cannot be told.
    #[must_use]
    pub fn literal_segments(&self) -> &str {
        let Some(rest) = self.text.strip_prefix("^/") else { return "" };
        if rest.contains('|') {
            return "";
        }
        let plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'~' | b'%');
        let end = rest.bytes().position(|byte| !plain(byte)).unwrap_or(rest.len());
        // A quantifier may make the character before it optional, so only what a slash closes is certain.
        let quantified = rest.get(end..).is_some_and(|next| next.starts_with(['?', '*', '{']));
        let certain = if quantified { end.saturating_sub(1) } else { end };
        let literal = rest.get(..certain).unwrap_or("");
        literal.rfind('/').and_then(|slash| rest.get(..slash)).unwrap_or("")
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.text)
    }
}

fn reason(error: &dense::BuildError) -> String {
    use std::error::Error;
    // The outermost layer only says that building failed.
    let mut inner: &dyn Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    let text = inner.to_string();
    text.rsplit("error: ").next().unwrap_or(&text).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_anywhere_unless_anchored() {
        let check = |pattern: &str, text: &str, expect: bool| {
            assert_eq!(Pattern::new(pattern).unwrap().is_in(text.as_bytes()), expect, "{pattern} in {text}");
        };
        check("^/v[0-9]+/", "/v12/users", true);
        check("^/v[0-9]+/", "/x/v12/users", false);
        check("v[0-9]+", "/x/v12/users", true);
        check(r"\.php$", "/a.php", true);
        check(r"\.php$", "/a.php5", false);
        check("(?i)ADMIN", "/admin", true);
        check("", "", true);
        check("^(a|ab)(c|bcd)(d*)$", "abcd", true);
        check(r"^\d+$", "١", false);
        check(r"\bfoo\b", "a foo b", true);
    }

    #[test]
    fn a_faulty_or_huge_expression_says_why() {
        let check = |pattern: &str, expect: &str| {
            let error = Pattern::new(pattern).unwrap_err();
            assert!(error.contains(expect), "{pattern}: {error}");
        };
        check("(", "unclosed group");
        check("a{1000}{1000}", "limit");
        check("[ab]*a[ab]{20}", "limit");
    }

    #[test]
    fn literal_segments_are_those_that_cannot_be_missing() {
        let check = |pattern: &str, expect: &str| {
            assert_eq!(Pattern::new(pattern).unwrap().literal_segments(), expect, "{pattern}");
        };
        check("^/v1/users/[0-9]+$", "v1/users");
        check("^/v1/users", "v1");
        check("^/v[0-9]/users", "");
        check("^/a/b?/c", "a");
        check("^/a/b/?$", "a");
        check("^/a|^/b/c/", "");
        check("/a/b/", "");
        check("^/a/b/", "a/b");
        check("(?i)^/a/b/", "");
        check("^/a/*b/", "");
        check("^/a/(b|c)/", "");
    }
}
