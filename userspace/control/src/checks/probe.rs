//! One question to one target: by connecting, over HTTP, or by the health service of gRPC.
use crate::dial::{Dialled, Place, dial};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Response;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::sync::Arc;
use weir_plan::tls::{Renewable, UpTls};
use weir_plan::upstream::{Address, Probe, ProxyVersion, UpProtocol, Upstream};

/// The largest answer of a health service.
const GRPC_BYTES_MAX: usize = 1024;
/// The header of a connection that a proxy opens for itself (PROXY protocol, section 2.2: LOCAL, no addresses).
const LOCAL_V2: [u8; 16] = *b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
/// The same in version 1, which has no better word for it.
const LOCAL_V1: &[u8] = b"PROXY UNKNOWN\r\n";

/// A target as a check reaches it.
pub(super) struct Aim<'u> {
    place: Place<'u>,
    name: &'u str,
    preface: &'static [u8],
    tls: Option<(&'u Renewable<UpTls>, usize)>,
    protocol: UpProtocol,
}

/// What a connection to a target begins with, by the certificates of this moment.
fn session(tls: &UpTls, index: usize) -> Option<(Arc<ClientConfig>, ServerName<'static>)> {
    Some((Arc::clone(&tls.config), tls.names.get(index)?.clone()))
}

impl<'u> Aim<'u> {
    pub(super) fn new(upstream: &'u Upstream, index: usize) -> Option<Aim<'u>> {
        let target = upstream.targets.get(index)?;
        Some(Aim {
            place: match &target.address {
                Address::Ip(address) => Place::Address(*address),
                Address::Name(name, port) => Place::Host(name, *port),
                Address::Unix(path) => Place::Unix(path),
            },
            name: &target.name,
            preface: match upstream.proxy_protocol {
                None => &[],
                Some(ProxyVersion::V1) => LOCAL_V1,
                Some(ProxyVersion::V2) => &LOCAL_V2,
            },
            tls: upstream.tls.as_ref().map(|tls| (tls, index)),
            protocol: upstream.protocol,
        })
    }

    /// Asks once: well, or why not.
    pub(super) async fn probe(&self, probe: &Probe) -> Result<(), String> {
        let tls = match self.tls {
            Some((tls, index)) => Some(session(&tls.load(), index).ok_or("it has no name to prove")?),
            None => None,
        };
        let tls = tls.as_ref().map(|(config, name)| (config, name.clone()));
        let dialled = dial(self.place, self.preface, tls).await;
        let dialled = dialled.map_err(|error| format!("cannot connect: {error}"))?;
        match probe {
            Probe::Tcp => Ok(()),
            Probe::Http { path, host, expect } => {
                let host = host.as_deref().unwrap_or(self.host());
                let request = hyper::Request::get(self.uri(host, path)).header("host", host);
                let answer = self.ask(dialled, request, Bytes::new()).await?;
                let status = answer.status().as_u16();
                let (first, last) = *expect;
                if (first..=last).contains(&status) { Ok(()) } else { Err(format!("status {status}")) }
            }
            Probe::Grpc(service) => self.ask_service(dialled, service).await,
        }
    }

    /// What stands in `Host` unless the configuration says otherwise; a path is no host.
    fn host(&self) -> &str {
        if matches!(self.place, Place::Unix(_)) { "localhost" } else { self.name }
    }

    /// HTTP/2 wants the whole URI, HTTP/1 the path alone.
    fn uri(&self, host: &str, path: &str) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        if self.protocol == UpProtocol::Http1 { path.to_owned() } else { format!("{scheme}://{host}{path}") }
    }

    async fn ask(
        &self,
        Dialled { stream, is_h2 }: Dialled,
        request: hyper::http::request::Builder,
        body: Bytes,
    ) -> Result<Response<Incoming>, String> {
        let agent = concat!("weir-check/", env!("CARGO_PKG_VERSION"));
        let request = request.header("user-agent", agent).body(Full::new(body));
        let request = request.map_err(|error| format!("this cannot be asked: {error}"))?;
        let broken = |error: hyper::Error| format!("no answer that is HTTP: {error}");
        let stream = TokioIo::new(stream);
        if is_h2 || (self.protocol == UpProtocol::H2 && self.tls.is_none()) {
            let shaking = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
            let (mut sender, connection) = shaking.await.map_err(broken)?;
            tokio::spawn(connection);
            return sender.send_request(request).await.map_err(broken);
        }
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.map_err(broken)?;
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(broken)
    }

    /// `grpc.health.v1.Health/Check`: a message with the service's name, answered by one whose first field is 1 if it serves.
    async fn ask_service(&self, dialled: Dialled, service: &str) -> Result<(), String> {
        let uri = self.uri(self.host(), "/grpc.health.v1.Health/Check");
        let request =
            hyper::Request::post(uri).header("content-type", "application/grpc").header("te", "trailers");
        let question = question(service).ok_or("the name of the service is too long")?;
        let answer = self.ask(dialled, request, question).await?;
        if answer.status() != 200 {
            return Err(format!("status {}", answer.status().as_u16()));
        }
        let (head, body) = answer.into_parts();
        let whole = Limited::new(body, GRPC_BYTES_MAX).collect().await;
        let whole = whole.map_err(|error| format!("the answer broke off: {error}"))?;
        let status = |fields: &hyper::HeaderMap| fields.get("grpc-status").cloned();
        let status = whole.trailers().and_then(status).or_else(|| status(&head.headers));
        match status.as_ref().map(|status| status.as_bytes()) {
            Some(b"0") => {}
            Some(code) => return Err(format!("gRPC status {}", code.escape_ascii())),
            None => return Err(String::from("the answer has no gRPC status")),
        }
        match serving(&whole.to_bytes()) {
            Some(1) => Ok(()),
            Some(2) => Err(String::from("it says that it does not serve")),
            _ => Err(String::from("it does not say that it serves")),
        }
    }
}

/// A gRPC message with one text as field 1 (gRPC over HTTP/2, "Length-Prefixed-Message"; Protocol Buffers, wire type 2).
fn question(service: &str) -> Option<Bytes> {
    let length = u8::try_from(service.len()).ok().filter(|length| *length < 0x80)?;
    if service.is_empty() {
        return Some(Bytes::from_static(&[0; 5]));
    }
    let mut message = vec![0, 0, 0, 0, length.checked_add(2)?, 0x0a, length];
    message.extend_from_slice(service.as_bytes());
    Some(Bytes::from(message))
}

/// The number in field 1 of a gRPC message.
fn serving(message: &[u8]) -> Option<u8> {
    match message {
        [0, _, _, _, _, 0x08, number, ..] => Some(*number),
        [0, 0, 0, 0, 0, ..] => Some(0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_health_service() {
        assert_eq!(question("").unwrap(), Bytes::from_static(b"\0\0\0\0\0"));
        assert_eq!(question("a.B").unwrap(), Bytes::from_static(b"\0\0\0\0\x05\x0a\x03a.B"));
        assert_eq!(question(&"x".repeat(200)), None);
        assert_eq!(serving(b"\0\0\0\0\x02\x08\x01"), Some(1));
        assert_eq!(serving(b"\0\0\0\0\0"), Some(0), "a field that is left out is 0: unknown");
        assert_eq!(serving(b"\x01\0\0\0\x02\x08\x01"), None, "compressed, which was not asked for");
    }
}
