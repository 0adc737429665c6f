//! Heads between HTTP/2 and the one form that exchanges know.
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use weir_message::{Error, Framing, Head, Name, Request, Response, Scheme, h1::Rules, h1::Underscores, hop};

/// Reads the head of a request. `ended` says that no body follows.
pub(super) fn read(parts: &Parts, ended: bool, rules: &Rules, request: &mut Request) -> Result<(), Error> {
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let authority = parts.uri.authority().map_or("", |authority| authority.as_str());
    let scheme = if parts.uri.scheme_str() == Some("https") { Scheme::Https } else { Scheme::Http };
    request.begin(scheme, parts.method.as_str().as_bytes(), authority.as_bytes(), target.as_bytes());
    if scheme != rules.scheme {
        // RFC 9113, section 8.3.1: what the client believes about its connection is not what it has.
        request.scheme = rules.scheme;
    }
    if parts.headers.len() > rules.limits.fields_max {
        return Err(Error::TooManyFields);
    }
    for (name, value) in &parts.headers {
        let drop = rules.underscores == Underscores::Drop && name.as_str().contains('_');
        if name != http::header::COOKIE && !drop {
            request.head.append(name.as_str(), value.as_bytes())?;
        }
    }
    join_cookies(&parts.headers, &mut request.head)?;
    if hop::forbidden_in_h2(&request.head) {
        return Err(Error::FieldName);
    }
    request.settle(rules.paths)?;
    match (request.framing, ended) {
        (Framing::Empty, false) => request.framing = Framing::Chunked,
        (Framing::Length(1..), true) => return Err(Error::ContentLength),
        _ => {}
    }
    if request.head.known(Name::Host).is_none() {
        let authority = request.authority().to_vec();
        request.set_authority(&authority)?;
    }
    Ok(())
}

/// RFC 9113, section 8.2.3: a cookie field that was split for compression is one again.
fn join_cookies(fields: &HeaderMap, head: &mut Head) -> Result<(), Error> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for cookie in fields.get_all(http::header::COOKIE) {
        if !parts.is_empty() {
            parts.push(b"; ");
        }
        parts.push(cookie.as_bytes());
    }
    if parts.is_empty() { Ok(()) } else { head.append_parts(b"cookie", &parts) }
}

/// The head of an answer.
pub(super) fn write(response: &Response) -> Option<http::Response<()>> {
    let mut answer = http::Response::new(());
    *answer.status_mut() = http::StatusCode::from_u16(response.status).ok()?;
    *answer.headers_mut() = fields(&response.head)?;
    Some(answer)
}

/// Fields in the form of the library, which writes names in lower case.
pub(super) fn fields(head: &Head) -> Option<HeaderMap> {
    let mut map = HeaderMap::new();
    for field in head.iter() {
        let name = HeaderName::from_bytes(field.name).ok()?;
        map.try_append(name, HeaderValue::from_bytes(field.value).ok()?).ok()?;
    }
    Some(map)
}

/// Trailers that may be passed on.
pub(super) fn trailers(map: &HeaderMap, head: &mut Head) -> Result<(), Error> {
    head.clear();
    for (name, value) in map {
        if weir_message::trailer::is_allowed(name.as_str().as_bytes()) {
            head.append(name.as_str(), value.as_bytes())?;
        }
    }
    Ok(())
}
