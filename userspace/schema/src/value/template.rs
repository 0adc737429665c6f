//! Texts with variables: `https://api.example.com{path}`, `{claims.tenant}`; `{{` and `}}` stand for the braces themselves.

use crate::code::Code;
use crate::hint;
use crate::shape::Shape;
use crate::value::header::check_text;
use crate::value::{Fault, Leaf};

/// A text with variables.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Template {
    /// The pieces in order; never two texts in a row.
    pub pieces: Vec<Piece>,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Piece {
    /// Text as it is.
    Text(String),
    /// What the request says here; nothing if it says nothing.
    Variable(Variable),
}

/// What a template can name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Variable {
    /// `{scheme}`: `http` or `https`.
    Scheme,
    /// `{method}`.
    Method,
    /// `{host}`: the host of the request without its port.
    Host,
    /// `{path}`: the path as it goes upstream.
    Path,
    /// `{query}`: the query with its `?`, or nothing.
    Query,
    /// `{client.ip}`: the client's address, resolved over trusted proxies.
    ClientIp,
    /// `{request.id}`.
    RequestId,
    /// `{route}`: the name of the route.
    Route,
    /// `{consumer.name}`.
    Consumer,
    /// `{header.X-Name}`: a header of the request.
    Header(String),
    /// `{claims.name}`: a claim of the verified token.
    Claim(String),
    /// `{path.name}`: a capture of the path.
    Capture(String),
}

const ALONE: &[&str] =
    &["scheme", "method", "host", "path", "query", "client.ip", "request.id", "route", "consumer.name"];
const PREFIXES: &[&str] = &["header.", "claims.", "path."];

impl Variable {
    fn parse(name: &str) -> Option<Self> {
        let named =
            |prefix: &str| name.strip_prefix(prefix).filter(|rest| !rest.is_empty()).map(str::to_owned);
        Some(match name {
            "scheme" => Self::Scheme,
            "method" => Self::Method,
            "host" => Self::Host,
            "path" => Self::Path,
            "query" => Self::Query,
            "client.ip" => Self::ClientIp,
            "request.id" => Self::RequestId,
            "route" => Self::Route,
            "consumer.name" => Self::Consumer,
            _ => {
                let header = named("header.").map(Self::Header);
                return header
                    .or_else(|| named("claims.").map(Self::Claim))
                    .or_else(|| named("path.").map(Self::Capture));
            }
        })
    }

    fn spell(&self) -> String {
        match self {
            Self::Scheme => "scheme".to_owned(),
            Self::Method => "method".to_owned(),
            Self::Host => "host".to_owned(),
            Self::Path => "path".to_owned(),
            Self::Query => "query".to_owned(),
            Self::ClientIp => "client.ip".to_owned(),
            Self::RequestId => "request.id".to_owned(),
            Self::Route => "route".to_owned(),
            Self::Consumer => "consumer.name".to_owned(),
            Self::Header(name) => format!("header.{name}"),
            Self::Claim(name) => format!("claims.{name}"),
            Self::Capture(name) => format!("path.{name}"),
        }
    }
}

impl Leaf for Template {
    const WHAT: &'static str = "a text with variables such as `{claims.sub}`";
    const CODE: Code = Code::Template;

    fn parse(text: &str) -> Result<Self, Fault> {
        check_text(text)?;
        let (mut pieces, mut plain, mut at) = (Vec::new(), String::new(), 0_usize);
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let brace = rest.find(['{', '}']).unwrap_or(rest.len());
            let (before, after) = rest.split_at(brace);
            plain.push_str(before);
            at = at.saturating_add(brace);
            if after.starts_with("{{") || after.starts_with("}}") {
                plain.extend(after.chars().next());
                at = at.saturating_add(2);
            } else if after.starts_with('}') {
                return Err(Fault::new("`}` closes nothing")
                    .part(at, 1)
                    .hint("Write `}}` for the brace itself."));
            } else if let Some(inner) = after.strip_prefix('{') {
                let (variable, len) = variable(inner, at)?;
                flush(&mut pieces, &mut plain);
                pieces.push(Piece::Variable(variable));
                at = at.saturating_add(len);
            }
        }
        flush(&mut pieces, &mut plain);
        Ok(Self { pieces })
    }

    fn spell(&self) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.replace('{', "{{").replace('}', "}}"),
            Piece::Variable(variable) => format!("{{{}}}", variable.spell()),
        };
        self.pieces.iter().map(piece).collect()
    }

    fn shape() -> Shape {
        Shape::Text { what: Self::WHAT, example: "{claims.sub}" }
    }
}

fn flush(pieces: &mut Vec<Piece>, plain: &mut String) {
    if !plain.is_empty() {
        pieces.push(Piece::Text(std::mem::take(plain)));
    }
}

/// The variable that begins behind a brace, and how many bytes it takes with its braces.
fn variable(inner: &str, at: usize) -> Result<(Variable, usize), Fault> {
    let Some((name, _)) = inner.split_once('}') else {
        return Err(Fault::new("`{` is not closed by `}`")
            .part(at, 1)
            .hint("Write `{{` for the brace itself."));
    };
    let variable = Variable::parse(name).ok_or_else(|| {
        let near = hint::nearest(name, ALONE.iter().chain(PREFIXES).copied());
        let all = "There are `scheme`, `method`, `host`, `path`, `query`, `client.ip`, `request.id`, `route`, `consumer.name`, `header.…`, `claims.…` and `path.…`.";
        let is_bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let all = if is_bare { format!("A capture of the path is `{{path.{name}}}`. {all}") } else { all.to_owned() };
        let hint = near.map_or(all, |near| format!("Did you mean `{{{near}}}`?"));
        Fault::new(format!("there is no variable `{name}`")).part(at.saturating_add(1), name.len()).hint(hint)
    })?;
    Ok((variable, name.len().saturating_add(2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_read_and_spelled() {
        let check = |text: &str, pieces: usize| {
            let template = Template::parse(text).unwrap();
            assert_eq!((template.pieces.len(), template.spell().as_str()), (pieces, text));
        };
        check("", 0);
        check("plain", 1);
        check("https://{host}{path}{query}", 4);
        check("{claims.tenant}", 1);
        check("a{{b}}c", 1);
        check("{header.X-A}-{path.id}", 3);
    }

    #[test]
    fn faults_point_at_their_part() {
        let check = |text: &str, part: Option<(usize, usize)>| {
            assert_eq!(Template::parse(text).unwrap_err().part, part, "{text}");
        };
        check("a{host", Some((1, 1)));
        check("a}b", Some((1, 1)));
        check("x{hots}", Some((2, 4)));
        check("{claims.}", Some((1, 7)));
        check("a\nb", Some((1, 1)));
    }
}
