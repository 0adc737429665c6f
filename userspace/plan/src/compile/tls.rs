//! TLS as meant: certificates and keys opened and put together, on both sides.

mod certificate;

use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, IpAddr, PrivateKeyDer, ServerName};
use rustls::server::{NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion, version,
};
use weir_schema::tls as written;
use weir_schema::upstream as written_upstream;
use weir_schema::value::{Address, HostPattern, Leaf, Material};
use weir_schema::{At, Code, Config, Diagnostic, Report, Span};

use super::{Build, Outside};
use crate::listener::Protocols;
use crate::tls::{CertificateRecord, Certificates, DownTls, Trusting, UpTls, tickets};

/// What all listeners share.
pub(super) struct Store {
    provider: Arc<CryptoProvider>,
    /// The certificates at the top of the file.
    common: Vec<Pair>,
    pub(super) tickets: Option<Arc<dyn ProducesTickets>>,
    pub(super) records: Vec<CertificateRecord>,
}

/// A certificate with its key, and the names it is presented for.
struct Pair {
    key: Arc<CertifiedKey>,
    names: Vec<HostPattern>,
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
    pub(super) fn new(config: &Config, outside: &Outside<'_>, report: &mut Report) -> Self {
        let provider = Arc::new(provider());
        let mut store = Self { provider, common: Vec::new(), tickets: None, records: Vec::new() };
        let mut open = Open { config, outside, report };
        for certificate in &config.tls.certificates {
            store.common.extend(open.pair(certificate, &store.provider, &mut store.records));
        }
        store.tickets = keep_tickets(config, outside, open.report);
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

/// TLS that ends at a listener; `protocols` is none where bytes are carried.
pub(super) fn down(
    written: &At<Box<written::ListenerTls>>,
    protocols: Option<Protocols>,
    build: &mut Build<'_>,
) -> Option<Arc<DownTls>> {
    let config = build.config;
    let Build { outside, report, tls: store, .. } = build;
    let mut open = Open { config, outside, report };
    let mut certificates = Certificates::new(written.strict_sni.value);
    let own = written.certificate.as_ref().zip(written.key.as_ref());
    let own = own.map(|(certificate, key)| written::Certificate {
        certificate: certificate.clone(),
        key: key.clone(),
        hosts: Vec::new(),
    });
    let pairs: Vec<_> = own
        .iter()
        .chain(written.certificates.iter().map(|certificate| &certificate.value))
        .map(|certificate| open.pair(certificate, &store.provider, &mut store.records))
        .collect();
    let pairs: Vec<Pair> = pairs.into_iter().flatten().collect();
    for pair in pairs.iter().chain(&store.common) {
        certificates.add(&pair.key, &pair.names);
    }
    if pairs.is_empty() && store.common.is_empty() {
        // Either none was written, which the schema has told, or each was faulty.
        return None;
    }
    let certificates = Arc::new(certificates);
    let config = server_config(written, protocols, &certificates, store, &mut open)?;
    Some(Arc::new(DownTls {
        config: Arc::new(config),
        certificates,
        handshake_timeout: open.config.tls.handshake_timeout.value,
    }))
}

fn server_config(
    written: &written::ListenerTls,
    protocols: Option<Protocols>,
    certificates: &Arc<Certificates>,
    store: &Store,
    open: &mut Open<'_>,
) -> Option<ServerConfig> {
    let top = &open.config.tls.min_version;
    let versions = versions(written.min_version.as_ref().unwrap_or(top).value);
    let builder = ServerConfig::builder_with_provider(Arc::clone(&store.provider));
    let builder = open.keep(Span::NOWHERE, builder.with_protocol_versions(versions))?;
    let builder = match &written.client_ca {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let roots = open.roots(&ca.file)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&store.provider));
            let verifier = verifier.with_crls(open.crls(ca)?);
            let verifier = if ca.require.value { verifier } else { verifier.allow_unauthenticated() };
            builder.with_client_cert_verifier(open.keep(ca.span, verifier.build())?)
        }
    };
    let resolver: Arc<Certificates> = Arc::clone(certificates);
    let mut config = builder.with_cert_resolver(resolver);
    let offers = |protocols: Protocols| {
        let http2 = protocols.http2.then_some(b"h2".to_vec());
        http2.into_iter().chain(protocols.http1.then_some(b"http/1.1".to_vec())).collect()
    };
    config.alpn_protocols = protocols.map(offers).unwrap_or_default();
    config.ignore_client_order = true;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    match &store.tickets {
        // One ticket: with each connection that goes on from it a client gets the next.
        Some(tickets) => (config.ticketer, config.send_tls13_tickets) = (Arc::clone(tickets), 1),
        None => config.send_tls13_tickets = 0,
    }
    Some(config)
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
    let mut open = Open { config, outside, report };
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
    Some(UpTls { config: Arc::new(config), names: names.into_iter().collect::<Option<_>>()? })
}

/// Opens what the configuration names; whatever fails is reported at its place.
struct Open<'a> {
    config: &'a Config,
    outside: &'a Outside<'a>,
    report: &'a mut Report,
}

impl Open<'_> {
    fn error(&mut self, code: Code, span: Span, message: impl Into<String>) {
        self.report.push(Diagnostic::new(code, span, message));
    }

    fn keep<T, E: std::fmt::Display>(&mut self, span: Span, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.error(Code::Compile, span, format!("TLS refuses this: {error}"))).ok()
    }

    fn bytes(&mut self, material: &At<Material>) -> Option<Vec<u8>> {
        match &material.value {
            Material::Pem(text) => Some(text.expose().as_bytes().to_vec()),
            Material::File(path) => self.file(path, material.span),
        }
    }

    fn file(&mut self, path: &str, span: Span) -> Option<Vec<u8>> {
        let read = self.outside.files.read(path);
        let refused = |reason| {
            self.error(Code::FileUnreadable, span, format!("`{path}` cannot be read: {reason}"));
        };
        read.map_err(refused).ok()
    }

    fn chain(&mut self, material: &At<Material>) -> Option<Vec<CertificateDer<'static>>> {
        let bytes = self.bytes(material)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        match chain {
            Ok(chain) if !chain.is_empty() => Some(chain),
            Ok(_) => {
                self.error(
                    Code::Material,
                    material.span,
                    format!("no certificate in {}", material.value.spell()),
                );
                None
            }
            Err(error) => {
                let message = format!("{} cannot be read as PEM: {error}", material.value.spell());
                self.error(Code::Material, material.span, message);
                None
            }
        }
    }

    fn private_key(&mut self, material: &At<Material>) -> Option<PrivateKeyDer<'static>> {
        let bytes = self.bytes(material)?;
        if let Material::File(path) = &material.value
            && self.outside.files.is_open(path)
        {
            let message = format!("everybody on this host can read `{path}`");
            let found = Diagnostic::new(Code::SecretReadable, material.span, message);
            self.report.push(found.hint(format!("`chmod 0600 {path}` leaves it to its owner.")));
        }
        let key = PrivateKeyDer::from_pem_slice(&bytes);
        let refused = |_| {
            let found = Diagnostic::new(
                Code::Material,
                material.span,
                format!("no private key in {}", material.value.spell()),
            );
            self.report.push(
                found.hint("It is PEM that begins with `-----BEGIN PRIVATE KEY-----`, without a password."),
            );
        };
        key.map_err(refused).ok()
    }

    fn roots(&mut self, material: &At<Material>) -> Option<Arc<RootCertStore>> {
        let mut roots = RootCertStore::empty();
        for certificate in self.chain(material)? {
            self.keep(material.span, roots.add(certificate))?;
        }
        Some(Arc::new(roots))
    }

    fn system_roots(&mut self, span: Span) -> Option<Arc<RootCertStore>> {
        let mut roots = RootCertStore::empty();
        match self.outside.files.roots() {
            Ok(certificates) => roots.add_parsable_certificates(certificates),
            Err(reason) => {
                let found = Diagnostic::new(
                    Code::FileUnreadable,
                    span,
                    format!("the authorities of this system cannot be read: {reason}"),
                );
                self.report.push(found.hint("Name a file of authorities under `ca`."));
                return None;
            }
        };
        Some(Arc::new(roots))
    }

    fn crls(&mut self, ca: &written::ClientCa) -> Option<Vec<CertificateRevocationListDer<'static>>> {
        let Some(file) = &ca.crl else { return Some(Vec::new()) };
        let bytes = self.file(&file.value.0, file.span)?;
        let lists = CertificateRevocationListDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
        let refused = |error| {
            self.error(Code::Material, file.span, format!("this is no list of revocations: {error}"));
        };
        lists.map_err(refused).ok()
    }

    /// The name a target must prove: the one written, else that of the target itself.
    fn server_name(
        &mut self,
        tls: &At<Box<written_upstream::UpTls>>,
        target: &At<written_upstream::Target>,
    ) -> Option<ServerName<'static>> {
        if let Some(name) = &tls.server_name {
            let parsed = ServerName::try_from(name.value.clone());
            let refused =
                |_| self.error(Code::Host, name.span, format!("`{}` is not a name to prove", name.value));
            return parsed.map_err(refused).ok();
        }
        match &target.address.value {
            Address::Ip(address) => Some(ServerName::IpAddress(IpAddr::from(address.ip()))),
            Address::Name(name, _) => self.keep(target.span, ServerName::try_from(name.clone())),
            Address::Unix(_) => {
                let found = Diagnostic::new(
                    Code::MissingKey,
                    tls.span,
                    "a unix socket has no name that it could prove",
                );
                self.report.push(found.also(target.span, "this target").hint("Give `server_name`."));
                None
            }
        }
    }
}
