//! TLS as meant: configurations ready to use, on the side of clients and on that of upstreams.

mod bearer;
mod certificates;
mod held;
mod holder;
mod renewable;
mod tickets;
mod trusting;

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;

pub use bearer::{Bearer, Told};
pub use certificates::{Certificates, asked};
pub use held::Held;
pub use holder::holder;
pub use renewable::Renewable;
pub(crate) use tickets::Scoped;
pub use tickets::tickets;
pub(crate) use trusting::Trusting;

/// TLS that ends at a listener.
#[derive(Debug)]
pub struct DownTls {
    /// For every connection; it chooses the certificate, the protocol and the session by itself.
    pub config: Arc<rustls::ServerConfig>,
    /// The certificates that it chooses from.
    pub certificates: Arc<Certificates>,
    /// Who may show a certificate; none if clients are not asked for one.
    pub clients: Option<Clients>,
    /// How long a handshake may take.
    pub handshake_timeout: Duration,
}

/// The clients that a listener asks for a certificate.
#[derive(Clone, Debug)]
pub struct Clients {
    /// Judges what they show.
    pub verifier: Arc<dyn ClientCertVerifier>,
    /// The hash of all that it judges by.
    pub digest: u64,
    /// What upstreams are told of what they show.
    pub told: Told,
}

impl DownTls {
    /// The handshake must be refused with `unrecognized_name` (RFC 6066, section 3). rustls itself would say
    /// `access_denied`, so whoever reads the hello asks first.
    #[must_use]
    pub fn refuses(&self, sni: Option<&str>) -> bool {
        self.certificates.is_strict() && !sni.is_some_and(|name| self.certificates.covers(name))
    }

    /// A request for this host belongs on another connection: its name has another certificate than the one shown
    /// (RFC 9110, section 15.5.20: 421).
    #[must_use]
    pub fn misdirects(&self, sni: Option<&str>, host: &str) -> bool {
        sni.is_some_and(|name| name != host && !self.certificates.are_one(name, host))
    }
}

/// TLS towards an upstream.
#[derive(Clone, Debug)]
pub struct UpTls {
    /// For every connection.
    pub config: Arc<rustls::ClientConfig>,
    /// The name each target must prove, in the order of `Upstream::targets`; it is also asked for by SNI.
    pub names: Vec<ServerName<'static>>,
    /// The hash of the files that it was made of.
    pub digest: u64,
}

/// A certificate that a listener presents, for warnings, metrics and the difference of two plans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRecord {
    /// Where it comes from: a path, or `(PEM)`.
    pub source: String,
    /// The names it is presented for.
    pub names: Vec<String>,
    /// The kind of its key.
    pub algorithm: &'static str,
    /// From when on it counts.
    pub not_before: UnixTime,
    /// Until when it counts.
    pub not_after: UnixTime,
    /// The hash of its bytes, to tell it from another of the same name.
    pub digest: u64,
    /// Until when the answer of OCSP counts that clients are shown with it; none without an answer, or without an end.
    pub stapled_until: Option<UnixTime>,
}

impl CertificateRecord {
    /// Clients are shown an answer of OCSP that does not count any more.
    #[must_use]
    pub fn staple_is_over(&self, moment: UnixTime) -> bool {
        self.stapled_until.is_some_and(|until| until.as_secs() <= moment.as_secs())
    }

    /// Whether it counts at this moment.
    #[must_use]
    pub fn counts_at(&self, moment: UnixTime) -> bool {
        (self.not_before.as_secs()..self.not_after.as_secs()).contains(&moment.as_secs())
    }
}
