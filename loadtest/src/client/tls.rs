//! TLS of clients: whom they trust and whether they resume.

use crate::scenario::{Handshake, Tls};
use anyhow::{Context, Result};
use rustls::client::Resumption;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use std::sync::Arc;

/// The name that certificates of a run are made for.
pub(crate) const NAME: &str = "load.test";

/// What clients need to speak TLS.
#[derive(Debug)]
pub(crate) struct Trust {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    pub(crate) handshake: Handshake,
}

impl Trust {
    /// Trusts one certificate; `is_h2` chooses the protocol offered.
    pub(crate) fn new(certificate: CertificateDer<'static>, tls: &Tls, is_h2: bool) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate).context("the certificate of the run cannot be trusted")?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .context("TLS 1.3 is not there")?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![if is_h2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
        config.resumption = match tls.handshake.value {
            Handshake::Resumed => Resumption::in_memory_sessions(64),
            Handshake::New | Handshake::Once => Resumption::disabled(),
        };
        let name = ServerName::try_from(NAME).context("the name is no name")?;
        Ok(Self { config: Arc::new(config), name, handshake: tls.handshake.value })
    }

    /// The same trust with tickets of its own, as every client of the world has: a ticket is used once.
    pub(crate) fn for_one_client(&self) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        if self.handshake == Handshake::Resumed {
            config.resumption = Resumption::in_memory_sessions(8);
        }
        Self { config: Arc::new(config), name: self.name.clone(), handshake: self.handshake }
    }

    /// The client's side of a new session.
    pub(crate) fn session(&self) -> Result<ClientConnection, rustls::Error> {
        ClientConnection::new(Arc::clone(&self.config), self.name.clone())
    }

    /// The hands were shaken as asked for. A first full handshake is needed to have something to resume.
    pub(crate) fn is_as_asked(&self, kind: Option<HandshakeKind>, is_first: bool) -> bool {
        match self.handshake {
            Handshake::Resumed => is_first || kind == Some(HandshakeKind::Resumed),
            Handshake::New | Handshake::Once => kind != Some(HandshakeKind::Resumed),
        }
    }
}
