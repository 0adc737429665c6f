//! Paths: which ones of a request are meant, and where files stand.

use crate::code::Code;
use crate::shape::Shape;
use crate::value::{Fault, Leaf};

/// Which paths are meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PathPattern {
    /// `/v1/orders`: this path and no other.
    Exact(String),
    /// `/v1/*`: `/v1` and all below it. Holds `/v1`; for `/*` it is empty.
    Below(String),
    /// `/users/{id}/posts`: segments, some of them captured.
    Template(Vec<Segment>),
    /// `~^/v[0-9]+/`: a regular expression, searched in the path; anchored only where it says so.
    Regex(String),
}

/// A segment of a path template.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Segment {
    /// This text.
    Text(String),
    /// `{id}`: any one segment that is not empty, captured under this name.
    One(String),
    /// `{*rest}`: all that is left, at least one segment, captured under this name; only at the end.
    Rest(String),
}

impl Leaf for PathPattern {
    const WHAT: &'static str = "a path such as `/v1/*`";
    const CODE: Code = Code::Path;

    fn parse(text: &str) -> Result<Self, Fault> {
        if let Some(regex) = text.strip_prefix('~') {
            let regex = regex.trim_start();
            return if regex.is_empty() {
                Err(Fault::new("there is no regular expression behind `~`"))
            } else {
                Ok(Self::Regex(regex.to_owned()))
            };
        }
        if !text.starts_with('/') {
            return Err(Fault::new("{} does not begin with `/`").hint(hint_for(text)));
        }
        if let Some(bad) = text.find(|c: char| c.is_control() || matches!(c, '?' | '#' | ' ' | '\\')) {
            return Err(forbidden(text, bad));
        }
        if let Some(dots) = dot_segment(text) {
            let hint = "A request's path is matched after its dot segments are resolved.";
            return Err(Fault::new("a segment of dots never matches").part(dots, 2).hint(hint));
        }
        if text.contains(['{', '}']) {
            return template(text);
        }
        match text.find('*') {
            None => Ok(Self::Exact(text.to_owned())),
            Some(star) if star == text.len().saturating_sub(1) && text.ends_with("/*") => {
                Ok(Self::Below(text.trim_end_matches('*').trim_end_matches('/').to_owned()))
            }
            Some(star) => {
                let hint = "`*` stands at the end, behind `/`, for all that follows; one segment in between is `{name}`.";
                Err(Fault::new("a `*` cannot stand here").part(star, 1).hint(hint))
            }
        }
    }

    fn spell(&self) -> String {
        match self {
            Self::Exact(path) => path.clone(),
            Self::Below(prefix) => format!("{prefix}/*"),
            Self::Regex(regex) => format!("~{regex}"),
            Self::Template(segments) => segments.iter().map(spell_segment).collect(),
        }
    }

    fn shape() -> Shape {
        Shape::Text { what: Self::WHAT, example: "/v1/*" }
    }
}

fn spell_segment(segment: &Segment) -> String {
    match segment {
        Segment::Text(text) => format!("/{text}"),
        Segment::One(name) => format!("/{{{name}}}"),
        Segment::Rest(name) => format!("/{{*{name}}}"),
    }
}

fn hint_for(text: &str) -> &'static str {
    if text.starts_with('^') || text.contains(".*") || text.contains("\\") {
        "A regular expression begins with `~`: `~^/v[0-9]+/`."
    } else {
        "Write the path from its beginning, such as `/v1/*`."
    }
}

fn forbidden(text: &str, at: usize) -> Fault {
    let fault = Fault::new("a path does not contain this character").part(at, 1);
    match text.as_bytes().get(at) {
        Some(b'?') => fault.hint("Parameters are matched under `query`."),
        Some(b' ') => fault.hint("A space travels as `%20`."),
        _ => fault,
    }
}

fn dot_segment(text: &str) -> Option<usize> {
    let mut at = 0_usize;
    for segment in text.split('/') {
        if segment == "." || segment == ".." {
            return Some(at);
        }
        at = at.saturating_add(segment.len()).saturating_add(1);
    }
    None
}

fn template(text: &str) -> Result<PathPattern, Fault> {
    let mut segments = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    let mut at = 1_usize;
    for part in text.split('/').skip(1) {
        let whole = |message: &str| Fault::new(message).part(at, part.len());
        let inner = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        match inner {
            None if part.contains(['{', '}', '*']) => {
                return Err(whole("a capture is a whole segment")
                    .hint("Write `/{name}/`; for parts of a segment use `~` and a regular expression."));
            }
            None => segments.push(Segment::Text(part.to_owned())),
            Some(inner) => {
                let name = inner.strip_prefix('*').unwrap_or(inner);
                let last = at.saturating_add(part.len()) == text.len();
                if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                    return Err(whole("a capture needs a name of letters, digits and `_`"));
                }
                if names.contains(&name) {
                    return Err(whole("two captures of one name"));
                }
                if inner.starts_with('*') && !last {
                    return Err(whole("`{*…}` takes all that is left, so it stands at the end"));
                }
                names.push(name);
                let name = name.to_owned();
                segments.push(if inner.starts_with('*') { Segment::Rest(name) } else { Segment::One(name) });
            }
        }
        at = at.saturating_add(part.len()).saturating_add(1);
    }
    Ok(PathPattern::Template(segments))
}

/// The path of a file or directory of this host.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FilePath(pub String);

impl Leaf for FilePath {
    const WHAT: &'static str = "the path of a file such as `/etc/weir/ca.pem`";
    const CODE: Code = Code::File;

    fn parse(text: &str) -> Result<Self, Fault> {
        if text.starts_with('/') && !text.contains('\0') {
            return Ok(Self(text.to_owned()));
        }
        let fault = Fault::new("{} is not the path of a file from the root");
        Err(if text.starts_with('~') {
            fault.hint("`~` is a shell's word; write the whole path.")
        } else {
            fault.hint("A relative path would depend on where the service was started; begin with `/`.")
        })
    }

    fn spell(&self) -> String {
        self.0.clone()
    }

    fn shape() -> Shape {
        Shape::Text { what: Self::WHAT, example: "/etc/weir/ca.pem" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_and_spelled() {
        let check = |text: &str, expect: PathPattern| {
            assert_eq!(PathPattern::parse(text), Ok(expect.clone()));
            assert_eq!(expect.spell(), text);
        };
        check("/", PathPattern::Exact("/".into()));
        check("/v1/orders", PathPattern::Exact("/v1/orders".into()));
        check("/*", PathPattern::Below(String::new()));
        check("/v1/*", PathPattern::Below("/v1".into()));
        check("~^/v[0-9]+/", PathPattern::Regex("^/v[0-9]+/".into()));
        let segments =
            vec![Segment::Text("u".into()), Segment::One("id".into()), Segment::Rest("rest".into())];
        check("/u/{id}/{*rest}", PathPattern::Template(segments));
    }

    #[test]
    fn faults_point_at_their_part() {
        let check = |text: &str, part: Option<(usize, usize)>| {
            assert_eq!(PathPattern::parse(text).unwrap_err().part, part, "{text}");
        };
        check("v1/*", None);
        check("/v1*", Some((3, 1)));
        check("/a/*/b", Some((3, 1)));
        check("/a?b=c", Some((2, 1)));
        check("/a/../b", Some((3, 2)));
        check("/u/{id}x", Some((3, 5)));
        check("/u/{}", Some((3, 2)));
        check("/{a}/{a}", Some((5, 3)));
        check("/{*a}/b", Some((1, 4)));
        check("~", None);
        FilePath::parse("certs/a.pem").unwrap_err();
    }
}
