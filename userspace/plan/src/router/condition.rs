//! What must hold beside host and path.

use std::fmt;

use ipnet::IpNet;
use weir_policy::jwt::ClaimPath;
use weir_schema::value::HostPattern;

use super::{Ask, Test, Tests, ask};
use crate::host;
use crate::id::ListenerId;

/// Conditions on a request. What is empty asks for nothing.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// The listeners at which it arrives.
    pub listeners: Vec<ListenerId>,
    /// Its methods. GET stands for HEAD as well.
    pub methods: Vec<Box<str>>,
    /// Networks that hold the client's address.
    pub sources: Vec<IpNet>,
    /// Server names asked for in TLS.
    pub sni: Vec<HostPattern>,
    /// Headers.
    pub headers: Tests,
    /// Query parameters.
    pub query: Tests,
    /// Cookies.
    pub cookies: Tests,
    /// Claims of the token that policies have verified.
    pub claims: Vec<(ClaimPath, Test)>,
}

/// The first condition that did not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss<'a> {
    /// It has another path.
    Path,
    /// It arrived elsewhere.
    Listener,
    /// It has another method.
    Method,
    /// Its client is in none of the networks.
    Source,
    /// Another server name was asked for, or none.
    Sni,
    /// This header fails its test.
    Header(&'a str),
    /// This parameter fails its test.
    Query(&'a str),
    /// This cookie fails its test.
    Cookie(&'a str),
    /// This claim fails its test.
    Claim(&'a str),
}

impl Conditions {
    /// How many there are; a route with more wins over one with fewer.
    #[must_use]
    pub fn count(&self) -> usize {
        let lists = [self.listeners.len(), self.methods.len(), self.sources.len(), self.sni.len()];
        let lists = lists.into_iter().filter(|len| *len > 0).count();
        let texts = [self.headers.0.len(), self.query.0.len(), self.cookies.0.len(), self.claims.len()];
        lists + texts.into_iter().sum::<usize>()
    }

    /// The first that does not hold.
    #[must_use]
    pub fn miss(&self, ask: &Ask<'_>) -> Option<Miss<'_>> {
        if !self.listeners.is_empty() && !self.listeners.contains(&ask.listener) {
            return Some(Miss::Listener);
        }
        if !self.methods.is_empty() && !self.has_method(ask.request.method_text()) {
            return Some(Miss::Method);
        }
        if !self.sources.is_empty() && !self.has_source(ask) {
            return Some(Miss::Source);
        }
        if !self.sni.is_empty() {
            let asked = |name: &str| self.sni.iter().any(|pattern| host::holds(pattern, name));
            if !ask.sni.is_some_and(asked) {
                return Some(Miss::Sni);
            }
        }
        self.texts_miss(ask)
    }

    fn texts_miss(&self, ask: &Ask<'_>) -> Option<Miss<'_>> {
        for (name, test) in &self.headers.0 {
            if !test.holds(&|| ask.request.head.values(name)) {
                return Some(Miss::Header(name));
            }
        }
        for (name, test) in &self.query.0 {
            if !test.holds_escaped(&|| ask.parameters(name)) {
                return Some(Miss::Query(name));
            }
        }
        for (name, test) in &self.cookies.0 {
            if !test.holds(&|| ask.cookies(name)) {
                return Some(Miss::Cookie(name));
            }
        }
        for (path, test) in &self.claims {
            if !test.holds(&|| ask::claims(ask.identity, path)) {
                return Some(Miss::Claim(path.as_str()));
            }
        }
        None
    }

    fn has_method(&self, method: &[u8]) -> bool {
        let is = |name: &[u8]| self.methods.iter().any(|own| own.as_bytes() == name);
        is(method) || method == b"HEAD" && is(b"GET")
    }

    fn has_source(&self, ask: &Ask<'_>) -> bool {
        let client = ask.client.to_canonical();
        self.sources.iter().any(|network| network.contains(&client))
    }
}

impl fmt::Display for Miss<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path => f.write_str("its path is another one"),
            Self::Listener => f.write_str("it is for other listeners"),
            Self::Method => f.write_str("it is for other methods"),
            Self::Source => f.write_str("the client is in none of its networks"),
            Self::Sni => f.write_str("another server name was asked for, or none"),
            Self::Header(name) => write!(f, "the header `{name}` does not fit"),
            Self::Query(name) => write!(f, "the parameter `{name}` does not fit"),
            Self::Cookie(name) => write!(f, "the cookie `{name}` does not fit"),
            Self::Claim(name) => write!(f, "the claim `{name}` does not fit"),
        }
    }
}
