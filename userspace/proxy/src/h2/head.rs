//! Heads between HTTP/2 and the one form that exchanges know.
use bytes::BytesMut;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use weir_message::h1::{Rules, Underscores};
use weir_message::{Error, Field, Framing, Head, Name, Request, Response, Scheme, Upgrade, hop, trailer};

/// Reads the head of a request. `ended` says that no body follows.
pub(super) fn read(parts: &Parts, ended: bool, rules: &Rules, request: &mut Request) -> Result<(), Error> {
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let authority = parts.uri.authority().map_or("", |authority| authority.as_str());
    let scheme = if parts.uri.scheme_str() == Some("https") { Scheme::Https } else { Scheme::Http };
    let tunnel = parts.extensions.get::<h2::ext::Protocol>();
    // RFC 8441, section 5: what was a GET with an upgrade is a CONNECT with a protocol.
    let websocket = tunnel.is_some_and(|protocol| protocol.as_str() == "websocket");
    let method = if websocket { "GET" } else { parts.method.as_str() };
    request.begin(scheme, method.as_bytes(), authority.as_bytes(), target.as_bytes());
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
    if request.head.known(Name::Host).is_none() && !authority.is_empty() {
        // What HTTP/1 asks for; it is what the request is checked against.
        request.head.append("Host", authority.as_bytes())?;
    }
    if hop::forbidden_in_h2(&request.head) {
        return Err(Error::FieldName);
    }
    request.settle(rules.paths)?;
    if websocket {
        request.upgrade = Some(Upgrade::WebSocket);
    }
    match (request.framing, ended) {
        // What follows belongs to the other protocol.
        (Framing::Empty, _) if websocket => {}
        (Framing::Empty, false) => request.framing = Framing::Chunked,
        (Framing::Length(1..), true) => return Err(Error::ContentLength),
        _ => {}
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
    // RFC 8441, section 5: a change of protocol is agreed to by a plain success.
    let status = if response.status == 101 { 200 } else { response.status };
    *answer.status_mut() = http::StatusCode::from_u16(status).ok()?;
    *answer.headers_mut() = fields(&response.head)?;
    if response.status == 101 {
        answer.headers_mut().remove("sec-websocket-accept");
    }
    Some(answer)
}

/// Fields in the form of the library, which writes names in lower case. All values lie in one piece of memory.
pub(super) fn fields(head: &Head) -> Option<HeaderMap> {
    let crosses = |field: &Field<'_>| field.id != Name::Host && !hop::stays_in_h1(field.id);
    let bytes = head.iter().filter(crosses).map(|field| field.value.len()).sum();
    let (mut map, mut text) = (HeaderMap::with_capacity(head.len()), BytesMut::with_capacity(bytes));
    for field in head.iter().filter(crosses) {
        let name = known(field.id).map_or_else(|| HeaderName::from_bytes(field.name).ok(), Some)?;
        text.extend_from_slice(field.value);
        map.try_append(name, HeaderValue::from_maybe_shared(text.split().freeze()).ok()?).ok()?;
    }
    Some(map)
}

/// The names that most answers have, which need not be read once more.
fn known(name: Name) -> Option<HeaderName> {
    use http::header::{
        CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, DATE, LOCATION, SERVER, SET_COOKIE,
        VIA,
    };
    Some(match name {
        Name::CacheControl => CACHE_CONTROL,
        Name::ContentEncoding => CONTENT_ENCODING,
        Name::ContentLength => CONTENT_LENGTH,
        Name::ContentType => CONTENT_TYPE,
        Name::Date => DATE,
        Name::Location => LOCATION,
        Name::Server => SERVER,
        Name::SetCookie => SET_COOKIE,
        Name::Via => VIA,
        _ => return None,
    })
}

/// Trailers that may be passed on.
pub(super) fn trailers(map: &HeaderMap, grpc: bool, head: &mut Head) -> Result<(), Error> {
    let is_allowed = if grpc { trailer::is_allowed_in_grpc } else { trailer::is_allowed };
    head.clear();
    for (name, value) in map {
        if is_allowed(name.as_str().as_bytes()) {
            head.append(name.as_str(), value.as_bytes())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
