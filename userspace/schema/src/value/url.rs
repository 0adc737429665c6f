//! URLs of services that weir itself calls: `https://id.example.com/.well-known/jwks.json`.

use crate::code::Code;
use crate::shape::Shape;
use crate::value::host::is_host_name;
use crate::value::{Fault, Leaf};

/// An `http` or `https` URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Url {
    /// It is `https`.
    pub tls: bool,
    /// The host without brackets.
    pub host: String,
    /// The port, written or implied.
    pub port: u16,
    /// The path with its query, at least `/`.
    pub path: String,
    text: String,
}

impl Url {
    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Leaf for Url {
    const WHAT: &'static str = "a URL such as `https://id.example.com/`";
    const CODE: Code = Code::Url;

    fn parse(text: &str) -> Result<Self, Fault> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(Fault::new("{} is not a URL").hint("Write it whole, beginning with `https://`."));
        };
        let tls = match scheme {
            "https" => true,
            "http" => false,
            _ => {
                return Err(Fault::new(format!("`{scheme}` is not a scheme used here"))
                    .part(0, scheme.len())
                    .hint("It is `https` or `http`."));
            }
        };
        let start = scheme.len().saturating_add(3);
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err(Fault::new("a URL here carries no user or password").part(start, authority.len()));
        }
        if let Some(bad) = path.find(|c: char| {
            c.is_control() || !c.is_ascii() || matches!(c, ' ' | '#' | '"' | '<' | '>' | '\\')
        }) {
            return Err(Fault::new("this character cannot stand in a URL here")
                .part(start.saturating_add(end).saturating_add(bad), 1));
        }
        let (host, port) = split_authority(authority, tls)
            .ok_or_else(|| Fault::new(format!("`{authority}` is not a host")).part(start, authority.len()))?;
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { tls, host, port, path, text: text.to_owned() })
    }

    fn spell(&self) -> String {
        self.text.clone()
    }

    fn shape() -> Shape {
        Shape::Text { what: Self::WHAT, example: "https://id.example.com/.well-known/jwks.json" }
    }
}

fn split_authority(authority: &str, tls: bool) -> Option<(String, u16)> {
    let implied = if tls { 443 } else { 80 };
    if let Some(inner) = authority.strip_prefix('[') {
        let (host, rest) = inner.split_once(']')?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        let port = if rest.is_empty() { implied } else { rest.strip_prefix(':')?.parse().ok()? };
        return Some((host.to_owned(), port));
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, port.parse().ok().filter(|port| *port > 0)?),
        None => (authority, implied),
    };
    let valid = is_host_name(host) || host.parse::<std::net::Ipv4Addr>().is_ok();
    valid.then(|| (host.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        let check = |text: &str, tls: bool, host: &str, port: u16, path: &str| {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.tls, url.host.as_str(), url.port, url.path.as_str()), (tls, host, port, path));
        };
        check("https://id.example.com/keys?x=1", true, "id.example.com", 443, "/keys?x=1");
        check("http://127.0.0.1:8080", false, "127.0.0.1", 8080, "/");
        check("https://[::1]:9/a", true, "::1", 9, "/a");
        for text in [
            "id.example.com",
            "ftp://a/",
            "https://u:p@a/",
            "https://",
            "https://a b/",
            "https://a/#x",
            "https://a:0/",
        ] {
            Url::parse(text).unwrap_err();
        }
    }
}
