//! `tls`: certificates, who is asked for one, and what is spoken; at the top for all listeners, or in one listener.

mod hsts;

pub use hsts::Hsts;

use std::time::Duration;

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::node::{Kind, Node};
use crate::reader::Reader;
use crate::section::{section, words};
use crate::shape::Shape;
use crate::span::{At, Span};
use crate::value::{Checked, FilePath, HostPattern, Leaf, Material, Short, Value};

section! {
    /// What holds for TLS on every listener that does not say otherwise.
    pub struct Tls "tls" [checked] {
        /// Certificates that every listener with TLS may present.
        pub certificates: Vec<At<Certificate>>,
        /// The oldest version spoken; `"1.2"` is for clients that know no newer one.
        pub min_version: At<TlsVersion> = TlsVersion::V1_3,
        /// How long a handshake may take.
        pub handshake_timeout: At<Duration> = Duration::from_secs(10),
        /// After how long the key of session tickets changes, a day at most; the one before stays valid as long again. `0s` issues no tickets.
        pub ticket_rotation: At<Duration> = Duration::from_secs(12 * 3600),
        /// How long before a certificate expires a warning is given.
        pub expiry_warning: At<Duration> = Duration::from_secs(14 * 86_400),
    }
}

/// Whoever gets hold of a key can read what was resumed by it.
const TICKET_ROTATION_MAX: Duration = Duration::from_secs(86_400);

impl Checked for Tls {
    fn check(&self, _span: Span, reader: &mut Reader<'_>) {
        let rotation = &self.ticket_rotation;
        if rotation.value > TICKET_ROTATION_MAX {
            let message =
                format!("keys of tickets change at least once a day, and this is `{}`", rotation.spell());
            let found = Diagnostic::new(Code::Duration, rotation.span, message);
            reader.push(found.hint("Write `24h` or less; `0s` issues no tickets."));
        }
    }
}

section! {
    /// TLS on one listener.
    pub struct ListenerTls "tls" [short, checked] {
        /// The certificate, with its chain, for a listener that needs only one.
        pub certificate: Option<At<Material>>,
        /// The key of `certificate`.
        pub key: Option<At<Material>>,
        /// What the authority says of `certificate`: an answer of OCSP in DER, shown to clients with it.
        pub ocsp: Option<At<FilePath>>,
        /// Certificates chosen by server name.
        pub certificates: Vec<At<Certificate>>,
        /// Ask clients for a certificate.
        pub client_ca: Option<At<ClientCa>>,
        /// The oldest version spoken; left out, that of the top.
        pub min_version: Option<At<TlsVersion>>,
        /// Refuse server names that no certificate covers, instead of presenting the first one.
        pub strict_sni: At<bool> = false,
        /// Tell browsers to come by TLS only, and for how long (RFC 6797); left out, they are told nothing.
        pub hsts: Option<At<Hsts>>,
    }
}

impl Short for ListenerTls {
    fn short(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match node.scalar().map(|scalar| scalar.text.as_str()) {
            Some("true") => Self::absent(),
            _ => {
                reader.wrong_kind(node, "the keys of `tls`, or `true` to use the certificates at the top");
                None
            }
        }
    }

    fn short_shape() -> Shape {
        Shape::Boolean
    }
}

impl Checked for ListenerTls {
    fn check(&self, _span: Span, reader: &mut Reader<'_>) {
        pair(self.certificate.as_ref(), self.key.as_ref(), reader);
    }
}

fn pair(certificate: Option<&At<Material>>, key: Option<&At<Material>>, reader: &mut Reader<'_>) {
    let (found, missing) = match (certificate, key) {
        (Some(certificate), None) => (certificate, "key"),
        (None, Some(key)) => (key, "certificate"),
        _ => return,
    };
    let message = format!("`{missing}` is missing beside this");
    reader.push(
        Diagnostic::new(Code::MissingKey, found.span, message)
            .hint("A certificate and its key come together."),
    );
}

section! {
    /// A certificate and its key.
    pub struct Certificate "certificate" {
        /// The certificate, with its chain.
        pub certificate: At<Material>,
        /// Its key.
        pub key: At<Material>,
        /// What its authority says of it: an answer of OCSP in DER, shown to clients with it.
        pub ocsp: Option<At<FilePath>>,
        /// Server names it is presented for; left out, those it holds.
        pub hosts: Vec<At<HostPattern>>,
    }
}

section! {
    /// Who may show a certificate, and whether they must.
    pub struct ClientCa "client_ca" [short] {
        /// The authorities that sign them.
        pub file: At<Material>,
        /// Refuse clients without one.
        pub require: At<bool> = true,
        /// Certificates that have been revoked: one list or several, of every authority that signs them.
        pub crl: Option<At<FilePath>>,
        /// What the upstream is told in `Client-Cert` and `Client-Cert-Chain` (RFC 9440).
        pub forward: At<Forward> = Forward::Certificate,
    }
}

impl Short for ClientCa {
    fn short(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if matches!(node.kind, Kind::List(_)) {
            reader.wrong_kind(node, "the path of a file");
            return None;
        }
        let file = At::new(Material::read(node, reader)?, node.span);
        let forward = At::implied(Forward::Certificate);
        Some(Self { file, require: At::implied(true), crl: None, forward })
    }

    fn short_shape() -> Shape {
        <Material as Leaf>::shape()
    }
}

words! {
    /// What an upstream is told of a client's certificate.
    pub enum Forward "what is told of a client's certificate" {
        /// Nothing.
        Off = "off",
        /// The certificate.
        Certificate = "certificate",
        /// The certificate, and those between it and the authority.
        Chain = "chain",
    }
}

words! {
    /// A version of TLS.
    pub enum TlsVersion "a version of TLS" {
        /// TLS 1.2.
        V1_2 = "1.2",
        /// TLS 1.3.
        V1_3 = "1.3",
    }
}
