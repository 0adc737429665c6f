//! TLS at a door: the handshake, and who proved what by it.

use super::{HEADER_TIMEOUT, Peer, Stream};
use rustls::ServerConfig;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use weir_plan::tls::holder;

/// The connection after its handshake, and who is at its other end; none if the handshake failed or took too long.
pub(super) async fn secured(
    stream: Box<dyn Stream>,
    peer: Peer,
    tls: Option<Arc<ServerConfig>>,
) -> Option<(Box<dyn Stream>, Peer)> {
    let Some(config) = tls else { return Some((stream, peer)) };
    let handshake = TlsAcceptor::from(config).accept(stream);
    let stream = match tokio::time::timeout(HEADER_TIMEOUT, handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "a handshake at a door failed");
            return None;
        }
        Err(_) => return None,
    };
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).map(holder);
    let peer = match (peer, shown) {
        (Peer::Remote(address), Some(name)) => Peer::Certified(address, name.into()),
        (peer, _) => peer,
    };
    Some((Box::new(stream), peer))
}
