//! A certificate in use, and what it takes to go on using it when its files hold nothing better.

use std::sync::Arc;

use rustls::sign::CertifiedKey;
use weir_schema::Span;
use weir_schema::value::HostPattern;

use super::CertificateRecord;

/// A certificate that a listener presents.
#[derive(Clone, Debug)]
pub struct Held {
    /// What it says about itself.
    pub record: CertificateRecord,
    /// The certificate with its chain and its key.
    pub(crate) key: Arc<CertifiedKey>,
    /// The names it is presented for.
    pub(crate) names: Vec<HostPattern>,
    /// Where it is written: the same text, read anew, has it in the same place.
    pub(crate) place: Span,
}
