//! What tells clients apart: `ip`, `consumer`, `header X-User`, `cookie sid`, `query id`, `claim sub`, `path`, `host`, `route`.

use crate::code::Code;
use crate::hint;
use crate::shape::Shape;
use crate::value::{Fault, Leaf};

/// Part of a request by which a target is chosen or a limit is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HashKey {
    /// The client's address, resolved over trusted proxies.
    Ip,
    /// The consumer that authenticated.
    Consumer,
    /// The path.
    Path,
    /// The host.
    Host,
    /// The route.
    Route,
    /// A header of the request.
    Header(String),
    /// A cookie.
    Cookie(String),
    /// A query parameter.
    Query(String),
    /// A claim of the verified token.
    Claim(String),
}

const ALONE: &[&str] = &["ip", "consumer", "path", "host", "route"];
const NAMED: &[&str] = &["header", "cookie", "query", "claim"];

impl Leaf for HashKey {
    const WHAT: &'static str = "a key such as `ip` or `header X-User`";
    const CODE: Code = Code::HashKey;

    fn parse(text: &str) -> Result<Self, Fault> {
        let (word, name) = text.split_once(' ').map_or((text, ""), |(word, name)| (word, name.trim()));
        let known = ALONE.contains(&word) || NAMED.contains(&word);
        if !known {
            let fault =
                Fault::new(format!("`{word}` is not something to tell clients apart by")).part(0, word.len());
            let near = hint::nearest(word, ALONE.iter().chain(NAMED).copied());
            let all = "It is `ip`, `consumer`, `path`, `host`, `route`, or `header`, `cookie`, `query` or `claim` and a name.";
            return Err(fault.hint(near.map_or(all.to_owned(), |near| format!("Did you mean `{near}`?"))));
        }
        if ALONE.contains(&word) != name.is_empty() {
            let message = if name.is_empty() { "needs a name behind it" } else { "stands alone" };
            let fault = Fault::new(format!("`{word}` {message}"));
            return Err(if name.is_empty() {
                fault.hint(format!("For instance `{word} {}`.", example(word)))
            } else {
                fault
            });
        }
        if name.contains(char::is_whitespace) {
            return Err(Fault::new("one name stands here, in one word")
                .part(word.len().saturating_add(1), name.len()));
        }
        Ok(match word {
            "ip" => Self::Ip,
            "consumer" => Self::Consumer,
            "path" => Self::Path,
            "host" => Self::Host,
            "route" => Self::Route,
            "header" => Self::Header(name.to_owned()),
            "cookie" => Self::Cookie(name.to_owned()),
            "query" => Self::Query(name.to_owned()),
            _ => Self::Claim(name.to_owned()),
        })
    }

    fn spell(&self) -> String {
        match self {
            Self::Ip => "ip".to_owned(),
            Self::Consumer => "consumer".to_owned(),
            Self::Path => "path".to_owned(),
            Self::Host => "host".to_owned(),
            Self::Route => "route".to_owned(),
            Self::Header(name) => format!("header {name}"),
            Self::Cookie(name) => format!("cookie {name}"),
            Self::Query(name) => format!("query {name}"),
            Self::Claim(name) => format!("claim {name}"),
        }
    }

    fn shape() -> Shape {
        Shape::Text { what: Self::WHAT, example: "header X-User" }
    }
}

fn example(word: &str) -> &'static str {
    match word {
        "header" => "X-User",
        "cookie" => "sid",
        "query" => "id",
        _ => "sub",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_and_spelled() {
        for text in [
            "ip",
            "consumer",
            "path",
            "host",
            "route",
            "header X-User",
            "cookie sid",
            "query id",
            "claim sub",
        ] {
            assert_eq!(HashKey::parse(text).unwrap().spell(), text);
        }
        let check = |text: &str, part: Option<(usize, usize)>| {
            assert_eq!(HashKey::parse(text).unwrap_err().part, part, "{text}");
        };
        check("header", None);
        check("ip x", None);
        check("haeder X", Some((0, 6)));
        check("header a b", Some((7, 3)));
    }
}
