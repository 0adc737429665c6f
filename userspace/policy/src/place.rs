//! Where in a request something is looked for: a field, a cookie, a query parameter.
use weir_message::{Name, Request};
use weir_schema::value::HashKey;

/// A place that a client can write to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The value of a field.
    Header(Box<str>),
    /// The value of a cookie (RFC 6265, section 4.2).
    Cookie(Box<str>),
    /// The value of a query parameter, as written: escapes are not resolved.
    Query(Box<str>),
}

impl Place {
    /// The place that a key names, if it is one that a client writes to.
    pub(crate) fn compile(written: &HashKey) -> Option<Place> {
        match written {
            HashKey::Header(name) => Some(Place::Header(name.as_str().into())),
            HashKey::Cookie(name) => Some(Place::Cookie(name.as_str().into())),
            HashKey::Query(name) => Some(Place::Query(name.as_str().into())),
            _ => None,
        }
    }

    /// Everything that stands there. Two values are for the caller to judge.
    pub fn values<'r>(&'r self, request: &'r Request) -> impl Iterator<Item = &'r [u8]> {
        let (mut header, mut cookie, mut query) = (None, None, None);
        match self {
            Place::Header(name) => header = Some(request.head.values(name)),
            Place::Cookie(name) => {
                let lines = request.head.every(Name::Cookie);
                cookie = Some(lines.flat_map(cookies).filter_map(|pair| value_of(pair, name)));
            }
            Place::Query(name) => {
                query = Some(parameters(request.query()).filter_map(|pair| value_of(pair, name)));
            }
        }
        header.into_iter().flatten().chain(cookie.into_iter().flatten()).chain(query.into_iter().flatten())
    }

    /// The first value that stands there.
    pub fn find<'r>(&'r self, request: &'r Request) -> Option<&'r [u8]> {
        self.values(request).next()
    }

    /// Takes every value away, so that the upstream does not see it. `scratch` is overwritten.
    pub fn strip(&self, request: &mut Request, scratch: &mut Vec<u8>) {
        scratch.clear();
        match self {
            Place::Header(name) => {
                request.head.remove(name);
            }
            Place::Cookie(name) => {
                let others = request.head.every(Name::Cookie).flat_map(cookies);
                join(others.filter(|pair| value_of(pair, name).is_none()), b"; ", scratch);
                if scratch.is_empty() || request.head.set("Cookie", scratch).is_err() {
                    request.head.remove("cookie");
                }
            }
            Place::Query(name) => {
                let others = parameters(request.query()).filter(|pair| value_of(pair, name).is_none());
                join(others, b"&", scratch);
                let rest = (!scratch.is_empty()).then_some(scratch.as_slice());
                if request.set_query(rest).is_err() {
                    let _absent = request.set_query(None);
                }
            }
        }
    }
}

fn cookies(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&byte| byte == b';').map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty())
}

fn parameters(query: Option<&[u8]>) -> impl Iterator<Item = &[u8]> {
    query.unwrap_or_default().split(|&byte| byte == b'&').filter(|pair| !pair.is_empty())
}

fn value_of<'p>(pair: &'p [u8], name: &str) -> Option<&'p [u8]> {
    match pair.strip_prefix(name.as_bytes())? {
        [] => Some(b""),
        [b'=', value @ ..] => Some(value),
        _ => None,
    }
}

fn join<'p>(pairs: impl Iterator<Item = &'p [u8]>, between: &[u8], out: &mut Vec<u8>) {
    for pair in pairs {
        if !out.is_empty() {
            out.extend_from_slice(between);
        }
        out.extend_from_slice(pair);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_message::Scheme;

    fn request() -> Request {
        let mut request = Request::default();
        request.begin(Scheme::Https, b"GET", b"a.example", b"/p?a=1&key=x&b&key=y");
        request.head.append("Cookie", b"sid=1; key=k").unwrap();
        request.head.append("Cookie", b"theme=dark;key=l").unwrap();
        request.head.append("X-Key", b"h").unwrap();
        request.settle(weir_message::uri::Rules::default()).unwrap();
        request
    }

    #[test]
    fn values_are_found_in_order() {
        let request = request();
        let all = |place: Place| {
            place
                .values(&request)
                .map(|value| String::from_utf8_lossy(value).into_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(all(Place::Header("x-key".into())), ["h"]);
        assert_eq!(all(Place::Cookie("key".into())), ["k", "l"]);
        assert_eq!(all(Place::Query("key".into())), ["x", "y"]);
        assert_eq!(all(Place::Query("b".into())), [""]);
        assert_eq!(all(Place::Query("ke".into())).len() + all(Place::Cookie("ke".into())).len(), 0);
    }

    #[test]
    fn stripping_leaves_the_rest() {
        let (mut request, mut scratch) = (request(), Vec::new());
        for place in [Place::Header("X-Key".into()), Place::Cookie("key".into()), Place::Query("key".into())]
        {
            place.strip(&mut request, &mut scratch);
            assert_eq!(place.find(&request), None);
        }
        assert_eq!(request.query(), Some(&b"a=1&b"[..]));
        assert_eq!(request.head.every(Name::Cookie).collect::<Vec<_>>(), [b"sid=1; theme=dark"]);
        for place in [
            Place::Query("a".into()),
            Place::Query("b".into()),
            Place::Cookie("sid".into()),
            Place::Cookie("theme".into()),
        ] {
            place.strip(&mut request, &mut scratch);
        }
        assert_eq!((request.query(), request.head.known(Name::Cookie)), (None, None));
    }
}
