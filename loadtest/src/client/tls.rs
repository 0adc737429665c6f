//! TLS of clients: whom they trust and whether they resume.

mod blind;

use crate::measure::Fault;
use crate::scenario::{Handshake, Tls};
use anyhow::{Context, Result};
use blind::Blind;
use rustls::client::Resumption;
use rustls::{ClientConfig, ClientConnection, ConfigBuilder, HandshakeKind, RootCertStore, WantsVerifier};
use rustls_pki_types::{CertificateDer, ServerName};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

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
    /// Trusts one certificate, that of the run; `is_h2` chooses the protocol offered.
    pub(crate) fn new(certificate: CertificateDer<'static>, tls: &Tls, is_h2: bool) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate).context("the certificate of the run cannot be trusted")?;
        let config = builder()?.with_root_certificates(roots).with_no_client_auth();
        Self::by(config, tls, is_h2, NAME)
    }

    /// Trusts everybody: what is loaded is the user's own, and whether its certificate is right is not the question.
    pub(crate) fn blind(tls: &Tls, is_h2: bool, name: &str) -> Result<Self> {
        let config = builder()?.dangerous().with_custom_certificate_verifier(Arc::new(Blind));
        Self::by(config.with_no_client_auth(), tls, is_h2, name)
    }

    fn by(mut config: ClientConfig, tls: &Tls, is_h2: bool, name: &str) -> Result<Self> {
        config.alpn_protocols = vec![if is_h2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
        config.resumption = match tls.handshake.value {
            Handshake::Resumed => Resumption::in_memory_sessions(64),
            Handshake::New | Handshake::Once => Resumption::disabled(),
        };
        let name = ServerName::try_from(name.to_owned()).context("the name is no name")?;
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

    /// TLS around a stream behind tokio's traits.
    pub(crate) async fn around<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> Result<TlsStream<S>, Fault> {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        connector.connect(self.name.clone(), stream).await.map_err(|_| Fault::Handshake)
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

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    builder.with_protocol_versions(&[&rustls::version::TLS13]).context("TLS 1.3 is not there")
}
