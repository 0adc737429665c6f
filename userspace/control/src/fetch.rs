//! Fetches a small document from a URL: bounded in size and time, and never anywhere else than where it was told.
use crate::dial::{Place, dial};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{AGE, CACHE_CONTROL, HeaderMap, LOCATION};
use hyper::http::response::Parts;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use std::time::Duration;
use weir_schema::value::{Leaf, Url};

/// How long everything together may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What came back.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) body: Vec<u8>,
    /// For how long its sender says that it is good; none if it says nothing.
    pub(crate) fresh: Option<Duration>,
}

/// Why nothing useful came back.
#[derive(Debug, thiserror::Error)]
pub enum Unfetched {
    /// It is no URL that can be asked.
    #[error("`{0}` is not a URL that can be fetched")]
    Url(String),
    /// No connection, or none that is trusted.
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    /// Too slow.
    #[error("no whole answer within {} s", TIMEOUT.as_secs())]
    Slow,
    /// What came is not HTTP, or broke off.
    #[error("the answer is not usable: {0}")]
    Broken(String),
    /// It points elsewhere. Keys come from where the configuration says.
    #[error("the answer is {0} to `{1}`; redirects are not followed, write that URL if it is meant")]
    Elsewhere(u16, String),
    /// It refuses.
    #[error("the answer has status {0}")]
    Status(u16),
    /// More than a document of this kind ever has.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// It is not what it should be.
    #[error("{0}")]
    Content(String),
}

/// Asks for documents.
#[derive(Debug)]
pub struct Fetcher {
    tls: Arc<ClientConfig>,
}

impl Fetcher {
    /// A fetcher that believes these authorities; certificates that cannot be understood are left out.
    ///
    /// # Errors
    /// The cryptography offers no version of TLS.
    pub fn new(roots: Vec<CertificateDer<'static>>) -> Result<Fetcher, rustls::Error> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        Ok(Fetcher { tls: Arc::new(config.with_root_certificates(store).with_no_client_auth()) })
    }

    /// Gets a document of at most so many bytes.
    pub(crate) async fn get(&self, url: &str, bytes_max: usize) -> Result<Fetched, Unfetched> {
        let url = Url::parse(url).map_err(|_| Unfetched::Url(url.to_owned()))?;
        tokio::time::timeout(TIMEOUT, self.exchange(&url, bytes_max)).await.map_err(|_| Unfetched::Slow)?
    }

    /// Sends a document of JSON. What comes back besides that it was taken is of no interest.
    pub(crate) async fn post(&self, url: &Url, body: Vec<u8>) -> Result<(), Unfetched> {
        let request = request(hyper::Method::POST, url, body.into());
        let answered = async {
            match self.send(url, request).await?.0.status.as_u16() {
                200..300 => Ok(()),
                status => Err(Unfetched::Status(status)),
            }
        };
        tokio::time::timeout(TIMEOUT, answered).await.map_err(|_| Unfetched::Slow)?
    }

    async fn exchange(&self, url: &Url, bytes_max: usize) -> Result<Fetched, Unfetched> {
        let (head, body) = self.send(url, request(hyper::Method::GET, url, Bytes::new())).await?;
        match head.status.as_u16() {
            200 => {}
            status @ 300..400 => {
                let to = head.headers.get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or_default();
                return Err(Unfetched::Elsewhere(status, to.chars().take(200).collect()));
            }
            status => return Err(Unfetched::Status(status)),
        }
        Ok(Fetched { body: collect(body, bytes_max).await?, fresh: fresh(&head.headers) })
    }

    /// Sends a request over a connection of its own.
    async fn send(
        &self,
        url: &Url,
        request: Result<hyper::Request<Full<Bytes>>, hyper::http::Error>,
    ) -> Result<(Parts, Incoming), Unfetched> {
        let name =
            || ServerName::try_from(url.host.clone()).map_err(|_| Unfetched::Url(url.as_str().to_owned()));
        let tls = if url.tls { Some((&self.tls, name()?)) } else { None };
        let dialled = dial(Place::Host(&url.host, url.port), &[], tls).await.map_err(Unfetched::Connect)?;
        let broken = |error: hyper::Error| Unfetched::Broken(error.to_string());
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(dialled.stream)).await.map_err(broken)?;
        // The task ends with the connection, which ends when sender and body are dropped.
        tokio::spawn(connection);
        let request = request.map_err(|error| Unfetched::Broken(error.to_string()))?;
        Ok(sender.send_request(request).await.map_err(broken)?.into_parts())
    }
}

fn request(
    method: hyper::Method,
    url: &Url,
    body: Bytes,
) -> Result<hyper::Request<Full<Bytes>>, hyper::http::Error> {
    let host = if url.host.contains(':') { format!("[{}]", url.host) } else { url.host.clone() };
    let implied = if url.tls { 443 } else { 80 };
    let host = if url.port == implied { host } else { format!("{host}:{}", url.port) };
    let request = hyper::Request::builder().method(method).uri(&url.path).header("host", host);
    let request = request.header("user-agent", concat!("weir/", env!("CARGO_PKG_VERSION")));
    let request = match body.is_empty() {
        true => request.header("accept", "application/json, application/jwk-set+json"),
        false => request.header("content-type", "application/json"),
    };
    request.body(Full::new(body))
}

/// Reads no further than the limit, whatever was announced.
async fn collect(mut body: Incoming, bytes_max: usize) -> Result<Vec<u8>, Unfetched> {
    let too_large = |length: usize| length > bytes_max;
    if too_large(usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX)) {
        return Err(Unfetched::TooLarge(bytes_max));
    }
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Unfetched::Broken(error.to_string()))?;
        let Some(data) = frame.data_ref() else { continue };
        if too_large(whole.len().saturating_add(data.len())) {
            return Err(Unfetched::TooLarge(bytes_max));
        }
        whole.extend_from_slice(data);
    }
    Ok(whole)
}

/// RFC 9111, sections 4.2.1 and 5.2.2: `max-age` less what the answer has aged; `no-store` and `no-cache` are no time.
fn fresh(fields: &HeaderMap) -> Option<Duration> {
    let texts = fields.get_all(CACHE_CONTROL).into_iter().filter_map(|value| value.to_str().ok());
    let directives: Vec<String> =
        texts.flat_map(|text| text.split(',')).map(|one| one.trim().to_ascii_lowercase()).collect();
    if directives.iter().any(|one| one == "no-store" || one == "no-cache") {
        return Some(Duration::ZERO);
    }
    let seconds = |text: &str| text.trim_matches('"').parse().ok();
    let max: u64 = directives.iter().find_map(|one| seconds(one.strip_prefix("max-age=")?))?;
    let age = fields.get(AGE).and_then(|age| seconds(age.to_str().ok()?)).unwrap_or(0);
    Some(Duration::from_secs(max.saturating_sub(age)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freshness_is_what_the_sender_says() {
        let check = |lines: &[(&'static str, &'static str)], expect: Option<u64>| {
            let mut fields = HeaderMap::new();
            for (name, value) in lines {
                fields.append(*name, value.parse().unwrap());
            }
            assert_eq!(fresh(&fields), expect.map(Duration::from_secs), "{lines:?}");
        };
        check(&[], None);
        check(&[("cache-control", "public, Max-Age=600")], Some(600));
        check(&[("cache-control", "public"), ("cache-control", "max-age=\"60\"")], Some(60));
        check(&[("cache-control", "max-age=600"), ("age", "100")], Some(500));
        check(&[("cache-control", "max-age=600"), ("age", "1000")], Some(0));
        check(&[("cache-control", "max-age=600, no-cache")], Some(0));
        check(&[("cache-control", "no-store")], Some(0));
        check(&[("cache-control", "max-age=soon")], None);
    }
}
