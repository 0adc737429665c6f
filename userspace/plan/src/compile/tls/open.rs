//! What a configuration names about TLS, opened: whatever fails is reported at its place.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, IpAddr, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use weir_schema::tls as written;
use weir_schema::upstream as written_upstream;
use weir_schema::value::{Address, Leaf, Material};
use weir_schema::{At, Code, Config, Diagnostic, Report, Span};

use super::super::Outside;
use super::Refusal;
use crate::hash::digest;
use crate::tls::{Clients, Told};

/// Opens what the configuration names; whatever fails is reported at its place.
pub(super) struct Open<'a> {
    pub(super) config: &'a Config,
    pub(super) outside: &'a Outside<'a>,
    pub(super) report: &'a mut Report,
    refused: &'a mut Vec<Refusal>,
    /// The hash of all that was read.
    seen: u64,
}

impl<'a> Open<'a> {
    pub(super) fn new(
        config: &'a Config,
        outside: &'a Outside<'a>,
        report: &'a mut Report,
        refused: &'a mut Vec<Refusal>,
    ) -> Self {
        Self { config, outside, report, refused, seen: 0 }
    }

    /// The hash of all that was read until now.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    fn see(&mut self, bytes: &[u8]) {
        self.seen = digest(&[self.seen.to_be_bytes(), digest(bytes).to_be_bytes()].concat());
    }

    /// Notes that a file is not used, which is no error: what it belongs to is used without it.
    pub(super) fn set_aside(&mut self, source: &str, why: &str) {
        self.refused.push(Refusal { source: source.to_owned(), why: why.to_owned() });
    }

    /// Makes something anew. What is in use already stays if that fails, and the failure is a refusal of `source` and no
    /// error of the configuration.
    pub(super) fn or_keep<T>(
        &mut self,
        source: String,
        kept: Option<T>,
        make: impl FnOnce(&mut Open<'_>) -> Option<T>,
    ) -> Option<T> {
        let mut said = Report::default();
        let mut open = Open { report: &mut said, refused: self.refused, ..*self };
        let made = make(&mut open);
        self.seen = open.seen;
        match (made, kept) {
            (None, Some(kept)) => {
                let why: Vec<&str> = said.errors().map(|error| error.message.as_str()).collect();
                if why.is_empty() {
                    // What stands in the way is no error, and set aside already.
                    return Some(kept);
                }
                self.refused.push(Refusal { source, why: why.join("; ") });
                Some(kept)
            }
            (made, _) => {
                self.report.extend(said);
                made
            }
        }
    }

    /// Who may show a certificate.
    pub(super) fn clients(
        &mut self,
        ca: &written::ClientCa,
        provider: &Arc<CryptoProvider>,
    ) -> Option<Clients> {
        self.seen = u64::from(ca.require.value);
        let roots = self.roots(&ca.file)?;
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
        let verifier = verifier.with_crls(self.crls(ca)?);
        let verifier = if ca.require.value { verifier } else { verifier.allow_unauthenticated() };
        let verifier = self.keep(ca.file.span, verifier.build())?;
        let told = match ca.forward.value {
            written::Forward::Off => Told::Nothing,
            written::Forward::Certificate => Told::Certificate,
            written::Forward::Chain => Told::Chain,
        };
        Some(Clients { verifier, digest: self.seen, told })
    }

    pub(super) fn error(&mut self, code: Code, span: Span, message: impl Into<String>) {
        self.report.push(Diagnostic::new(code, span, message));
    }

    pub(super) fn keep<T, E: std::fmt::Display>(&mut self, span: Span, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.error(Code::Compile, span, format!("TLS refuses this: {error}"))).ok()
    }

    fn bytes(&mut self, material: &At<Material>) -> Option<Vec<u8>> {
        match &material.value {
            Material::Pem(text) => {
                let bytes = text.expose().as_bytes().to_vec();
                self.see(&bytes);
                Some(bytes)
            }
            Material::File(path) => self.file(path, material.span),
        }
    }

    pub(super) fn file(&mut self, path: &str, span: Span) -> Option<Vec<u8>> {
        let read = self.outside.files.read(path);
        let refused = |reason| {
            self.error(Code::FileUnreadable, span, format!("`{path}` cannot be read: {reason}"));
        };
        let bytes = read.map_err(refused).ok()?;
        self.see(&bytes);
        Some(bytes)
    }

    pub(super) fn chain(&mut self, material: &At<Material>) -> Option<Vec<CertificateDer<'static>>> {
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

    pub(super) fn private_key(&mut self, material: &At<Material>) -> Option<PrivateKeyDer<'static>> {
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

    pub(super) fn roots(&mut self, material: &At<Material>) -> Option<Arc<RootCertStore>> {
        let mut roots = RootCertStore::empty();
        for certificate in self.chain(material)? {
            self.keep(material.span, roots.add(certificate))?;
        }
        Some(Arc::new(roots))
    }

    pub(super) fn system_roots(&mut self, span: Span) -> Option<Arc<RootCertStore>> {
        let mut roots = RootCertStore::empty();
        match self.outside.files.roots() {
            Ok(certificates) => {
                certificates.iter().for_each(|certificate| self.see(certificate));
                roots.add_parsable_certificates(certificates)
            }
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
        match lists {
            // Whoever names a list wants somebody kept out: a file without one must not let everybody in.
            Ok(lists) if lists.is_empty() => {
                self.error(
                    Code::Material,
                    file.span,
                    format!("no list of revocations in `{}`", file.value.0),
                );
                None
            }
            Ok(lists) => Some(lists),
            Err(error) => {
                let message = format!("`{}` is no list of revocations: {error}", file.value.0);
                self.error(Code::Material, file.span, message);
                None
            }
        }
    }

    /// The name a target must prove: the one written, else that of the target itself.
    pub(super) fn server_name(
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
