//! TLS as meant: configurations ready to use, on the side of clients and on that of upstreams.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;

/// TLS that ends at a listener.
#[derive(Debug)]
pub struct DownTls {
    /// For every connection; it chooses the certificate, the protocol and the session by itself.
    pub config: Arc<rustls::ServerConfig>,
    /// How long a handshake may take.
    pub handshake_timeout: Duration,
}

/// TLS towards an upstream.
#[derive(Clone, Debug)]
pub struct UpTls {
    /// For every connection.
    pub config: Arc<rustls::ClientConfig>,
    /// The name each target must prove, in the order of `Upstream::targets`; it is also asked for by SNI.
    pub names: Vec<ServerName<'static>>,
}
