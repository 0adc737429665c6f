//! One certificate with its key: opened, checked against each other and against the clock.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::UnixTime;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use weir_schema::tls as written;
use weir_schema::value::{FilePath, HostPattern, Leaf};
use weir_schema::{At, Code, Diagnostic};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::open::Open;
use super::staple::{Unfit, good_until};
use crate::hash::digest;
use crate::tls::{CertificateRecord, Held};

/// An answer of OCSP, and until when it counts.
type Staple = (Option<Vec<u8>>, Option<UnixTime>);

impl Open<'_> {
    /// Opens a pair. One in use that is written in the same place stays if this one will not do.
    pub(super) fn pair(
        &mut self,
        certificate: &written::Certificate,
        provider: &Arc<CryptoProvider>,
        kept: &[Held],
    ) -> Option<Held> {
        let kept = kept.iter().find(|held| held.place == certificate.certificate.span);
        self.or_keep(certificate.certificate.value.spell(), kept.cloned(), |open| {
            let fresh = open.fresh(certificate, provider)?;
            open.replaces(certificate, &fresh, kept).then_some(fresh)
        })
    }

    fn fresh(&mut self, certificate: &written::Certificate, provider: &Arc<CryptoProvider>) -> Option<Held> {
        let chain = self.chain(&certificate.certificate)?;
        let secret = self.private_key(&certificate.key)?;
        let span = certificate.certificate.span;
        let mut key = match CertifiedKey::from_der(chain, secret, provider) {
            Ok(key) => key,
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                let found = Diagnostic::new(Code::Material, span, "this certificate belongs to another key");
                self.report.push(found.also(certificate.key.span, "this key"));
                return None;
            }
            Err(error) => {
                self.error(Code::Material, span, format!("this certificate cannot be used: {error}"));
                return None;
            }
        };
        let mut record = self.record(certificate, &key)?;
        let names: Vec<HostPattern> = if certificate.hosts.is_empty() {
            record.names.iter().filter_map(|name| HostPattern::parse(name).ok()).collect()
        } else {
            record.names = certificate.hosts.iter().map(|host| host.value.spell()).collect();
            certificate.hosts.iter().map(|host| host.value.clone()).collect()
        };
        if let Some(file) = &certificate.ocsp {
            (key.ocsp, record.stapled_until) = self.staple(file, &key)?;
        }
        self.warn_of_expiry(certificate, &record);
        Some(Held { record, key: Arc::new(key), names, place: span })
    }

    /// What the authority says of the certificate, and until when that counts. Whoever is shown an answer about another one,
    /// or one of yesterday, turns away: the former is a mistake, without the latter the certificate is as good as ever.
    fn staple(&mut self, file: &At<FilePath>, key: &CertifiedKey) -> Option<Staple> {
        let (path, span) = (&file.value.0, file.span);
        let answer = self.file(path, span)?;
        let chain: Vec<_> =
            key.cert.iter().filter_map(|der| Some(X509Certificate::from_der(der).ok()?.1)).collect();
        match good_until(&answer, &chain, self.outside.now) {
            Ok(until) => Some((Some(answer), until)),
            Err(Unfit::Wrong(why)) => {
                self.error(Code::Material, span, format!("`{path}` cannot be used: {why}"));
                None
            }
            Err(Unfit::Untimely(why)) => {
                let found = Diagnostic::new(Code::Expiring, span, format!("`{path}` is not shown: {why}"));
                self.report.push(found.hint("Fetch it anew; it is taken as soon as it lies there."));
                self.set_aside(path, why);
                Some((None, None))
            }
        }
    }

    /// Whether a certificate is as good as the one in use, which counts now.
    fn replaces(&mut self, certificate: &written::Certificate, fresh: &Held, kept: Option<&Held>) -> bool {
        let now = self.outside.now;
        let Some(kept) = kept else { return true };
        if kept.record.counts_at(now) && !fresh.record.counts_at(now) {
            let why = self.validity(&fresh.record).unwrap_or_default();
            self.error(Code::Material, certificate.certificate.span, why);
            return false;
        }
        let has_better = kept.key.ocsp.is_some() && !kept.record.staple_is_over(now);
        let is_same = kept.key.cert == fresh.key.cert;
        // Why the new answer will not do was said when it was read.
        !(is_same && has_better && certificate.ocsp.is_some() && fresh.key.ocsp.is_none())
    }

    /// What the certificate says about itself.
    fn record(
        &mut self,
        certificate: &written::Certificate,
        key: &CertifiedKey,
    ) -> Option<CertificateRecord> {
        let der = key.cert.first()?;
        let material = &certificate.certificate;
        let parsed = match X509Certificate::from_der(der) {
            Ok((_, parsed)) => parsed,
            Err(error) => {
                self.error(
                    Code::Material,
                    material.span,
                    format!("this certificate cannot be read: {error}"),
                );
                return None;
            }
        };
        let alternatives = parsed.subject_alternative_name().ok().flatten();
        let names = alternatives.iter().flat_map(|names| &names.value.general_names);
        let time = |seconds: i64| {
            UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
        };
        Some(CertificateRecord {
            source: material.value.spell(),
            names: names.filter_map(host_name).collect(),
            algorithm: match key.key.algorithm() {
                rustls::SignatureAlgorithm::ECDSA => "ecdsa",
                rustls::SignatureAlgorithm::ED25519 => "ed25519",
                rustls::SignatureAlgorithm::RSA => "rsa",
                _ => "other",
            },
            not_before: time(parsed.validity().not_before.timestamp()),
            not_after: time(parsed.validity().not_after.timestamp()),
            digest: digest(der),
            stapled_until: None,
        })
    }

    fn warn_of_expiry(&mut self, certificate: &written::Certificate, record: &CertificateRecord) {
        if let Some(message) = self.validity(record) {
            let found = Diagnostic::new(Code::Expiring, certificate.certificate.span, message);
            self.report.push(found.hint("Renew it; the new one is taken as soon as it lies there."));
        }
    }

    /// What there is to say about the time for which a certificate counts.
    fn validity(&self, record: &CertificateRecord) -> Option<String> {
        let (now, start, end) =
            (self.outside.now.as_secs(), record.not_before.as_secs(), record.not_after.as_secs());
        if now >= end {
            Some(format!("this certificate expired {} ago", span_in_words(now.saturating_sub(end))))
        } else if start > now {
            Some(format!("this certificate counts only in {}", span_in_words(start.saturating_sub(now))))
        } else if end.saturating_sub(now) <= self.config.tls.expiry_warning.value.as_secs() {
            Some(format!("this certificate expires in {}", span_in_words(end.saturating_sub(now))))
        } else {
            None
        }
    }
}

fn host_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    }
}

fn span_in_words(seconds: u64) -> String {
    match seconds / 86_400 {
        0 => format!("{} hours", seconds / 3_600),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}
