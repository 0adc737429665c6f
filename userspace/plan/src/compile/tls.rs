//! TLS as meant: certificates and keys opened and put together, on both sides.

mod certificate;
mod open;
mod renew;
mod staple;

use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{NoServerSessionStorage, ProducesTickets, ResolvesServerCert};
use rustls::{ClientConfig, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion, version};
use weir_schema::tls as written;
use weir_schema::upstream as written_upstream;
use weir_schema::value::{Leaf, Material};
use weir_schema::{At, Code, Config, Diagnostic, Report, Span};

use super::{Build, Outside};
use crate::listener::Protocols;
use crate::tls::{Certificates, DownTls, Held, Scoped, Trusting, UpTls, tickets};
use open::Open;

pub use renew::{Refusal, Renewal, renew};

/// What all listeners share.
pub(super) struct Store {
    provider: Arc<CryptoProvider>,
    /// The certificates at the top of the file.
    common: Vec<Held>,
    pub(super) tickets: Option<Arc<dyn ProducesTickets>>,
    /// Every certificate that a listener presents.
    pub(super) held: Vec<Held>,
    /// Those in use, which stay where their files hold nothing better; none if these are the first.
    kept: Arc<Vec<Held>>,
    refused: Vec<Refusal>,
}

/// The library's algorithms, AES-128 first: it is as strong as the keys that are exchanged for it, and its hash is one
/// that processors have instructions for, which saves a fifth of a handshake.
fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    let is_short =
        |suite: &SupportedCipherSuite| suite.suite().as_str().is_some_and(|name| name.contains("AES_128"));
    provider.cipher_suites.sort_by_key(|suite| !is_short(suite));
    provider
}

impl Store {
    pub(super) fn new(
        config: &Config,
        outside: &Outside<'_>,
        kept: Arc<Vec<Held>>,
        report: &mut Report,
    ) -> Self {
        let (provider, tickets) = (Arc::new(provider()), keep_tickets(config, outside, report));
        let mut store =
            Self { provider, common: Vec::new(), tickets, held: Vec::new(), kept, refused: Vec::new() };
        let mut open = Open::new(config, outside, report, &mut store.refused);
        for certificate in &config.tls.certificates {
            store.common.extend(open.pair(certificate, &store.provider, &store.kept));
        }
        store.held.clone_from(&store.common);
        store
    }
}

/// The tickets of the plan in force, unless their time is another one now; so a reload costs no client its session.
fn keep_tickets(
    config: &Config,
    outside: &Outside<'_>,
    report: &mut Report,
) -> Option<Arc<dyn ProducesTickets>> {
    let rotation = &config.tls.ticket_rotation;
    if rotation.value == Duration::ZERO {
        return None;
    }
    let same = |plan: &&crate::Plan| {
        plan.written.as_ref().is_some_and(|written| written.tls.ticket_rotation == *rotation)
    };
    let kept = outside.before.filter(same).and_then(|plan| plan.tickets.clone());
    kept.or_else(|| match tickets(rotation.value) {
        Ok(tickets) => Some(tickets),
        Err(error) => {
            let message = format!("no keys for session tickets can be made: {error}");
            report.push(Diagnostic::new(Code::Compile, rotation.span, message));
            None
        }
    })
}

/// TLS that ends at a listener; `protocols` is none where bytes are carried. What clients are asked for stays as it was
/// `before` where it cannot be had anew.
pub(super) fn down(
    written: &At<Box<written::ListenerTls>>,
    protocols: Option<Protocols>,
    (build, before): (&mut Build<'_>, Option<&DownTls>),
) -> Option<DownTls> {
    let config = build.config;
    let Build { outside, report, tls: Store { provider, common, tickets, held, kept, refused }, .. } = build;
    let mut open = Open::new(config, outside, report, refused);
    let own = written.certificate.as_ref().zip(written.key.as_ref());
    let own = own.map(|(certificate, key)| written::Certificate {
        certificate: certificate.clone(),
        key: key.clone(),
        ocsp: written.ocsp.clone(),
        hosts: Vec::new(),
    });
    let pairs = own.iter().chain(written.certificates.iter().map(|certificate| &certificate.value));
    let pairs: Vec<_> = pairs.map(|certificate| open.pair(certificate, provider, kept)).collect();
    let pairs: Vec<Held> = pairs.into_iter().flatten().collect();
    held.extend_from_slice(&pairs);
    let mut certificates = Certificates::new(written.strict_sni.value);
    for pair in pairs.iter().chain(&*common) {
        certificates.add(&pair.key, &pair.names);
    }
    if pairs.is_empty() && common.is_empty() {
        // Either none was written, which the schema has told, or each was faulty.
        return None;
    }
    let clients = match &written.client_ca {
        None => None,
        Some(ca) => {
            let kept = before.and_then(|before| before.clients.clone());
            Some(open.or_keep(ca.file.value.spell(), kept, |open| open.clients(ca, provider))?)
        }
    };
    let top = &config.tls.min_version;
    let versions = versions(written.min_version.as_ref().unwrap_or(top).value);
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider));
    let builder = open.keep(Span::NOWHERE, builder.with_protocol_versions(versions))?;
    let builder = match &clients {
        None => builder.with_no_client_auth(),
        Some(clients) => builder.with_client_cert_verifier(Arc::clone(&clients.verifier)),
    };
    let certificates = Arc::new(certificates);
    let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(&certificates) as _;
    let mut server = builder.with_cert_resolver(resolver);
    server.alpn_protocols = protocols.map(offers).unwrap_or_default();
    server.ignore_client_order = true;
    server.session_storage = Arc::new(NoServerSessionStorage {});
    match tickets {
        // One ticket: with each connection that goes on from it a client gets the next.
        Some(tickets) => {
            let scope = clients.as_ref().map_or(0, |clients| clients.digest);
            (server.ticketer, server.send_tls13_tickets) = (Arc::new(Scoped::new(tickets, scope)), 1);
        }
        None => server.send_tls13_tickets = 0,
    }
    let handshake_timeout = config.tls.handshake_timeout.value;
    Some(DownTls { config: Arc::new(server), certificates, clients, handshake_timeout })
}

/// What is offered by ALPN, the better first.
fn offers(protocols: Protocols) -> Vec<Vec<u8>> {
    let http2 = protocols.http2.then_some(b"h2".to_vec());
    http2.into_iter().chain(protocols.http1.then_some(b"http/1.1".to_vec())).collect()
}

static FROM_1_2: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
static FROM_1_3: [&SupportedProtocolVersion; 1] = [&version::TLS13];

fn versions(min: written::TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    match min {
        written::TlsVersion::V1_2 => &FROM_1_2,
        written::TlsVersion::V1_3 => &FROM_1_3,
    }
}

/// TLS towards an upstream.
pub(super) fn up(
    written: &At<Box<written_upstream::UpTls>>,
    upstream: &written_upstream::Upstream,
    build: &mut Build<'_>,
) -> Option<UpTls> {
    let config = build.config;
    let Build { outside, report, tls: store, .. } = build;
    let mut open = Open::new(config, outside, report, &mut store.refused);
    let builder = ClientConfig::builder_with_provider(Arc::clone(&store.provider));
    let builder =
        open.keep(written.span, builder.with_protocol_versions(versions(written::TlsVersion::V1_2)))?;
    let builder = if written.verify.value {
        let roots = match &written.ca {
            Some(file) => open.roots(&file.clone().map(|path| Material::File(path.0)))?,
            None => open.system_roots(written.span)?,
        };
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&store.provider));
        builder.with_webpki_verifier(open.keep(written.span, verifier.build())?)
    } else {
        let verifier = Arc::new(Trusting(Arc::clone(&store.provider)));
        builder.dangerous().with_custom_certificate_verifier(verifier)
    };
    let mut config = match written.certificate.as_ref().zip(written.key.as_ref()) {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = open.chain(certificate)?;
            let secret = open.private_key(key)?;
            open.keep(certificate.span, builder.with_client_auth_cert(chain, secret))?
        }
    };
    let offers: &[&[u8]] = match upstream.protocol.value {
        written_upstream::UpProtocol::Http1 => &[b"http/1.1"],
        written_upstream::UpProtocol::H2 => &[b"h2"],
        written_upstream::UpProtocol::Auto => &[b"h2", b"http/1.1"],
    };
    config.alpn_protocols = offers.iter().map(|offer| offer.to_vec()).collect();
    let names: Vec<_> = upstream.targets.iter().map(|target| open.server_name(written, target)).collect();
    let names = names.into_iter().collect::<Option<_>>()?;
    Some(UpTls { config: Arc::new(config), names, digest: open.seen() })
}
