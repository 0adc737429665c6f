//! The change to another protocol (RFC 9110, section 7.8). Only WebSocket is passed on; `h2c` and unknown names are
//! dropped, so that no tunnel opens that we could not account for.
use weir_message::{Request, Upgrade, Version, hop};

/// Writes the offer of a client into its request for the upstream. False if there is none that may be passed on: a
/// request with a body cannot change protocols, because the rest of the body would be taken for the new one.
pub(super) fn prepare(request: &mut Request) -> bool {
    let offered = request.upgrade == Some(Upgrade::WebSocket) && request.framing.is_empty();
    offered && hop::announce_websocket(&mut request.head).is_ok()
}

/// Whether a client takes every success for a tunnel: it asked by an extended CONNECT (RFC 8441, section 5).
pub(super) fn must_tunnel(request: &Request) -> bool {
    request.version == Version::Http2 && request.upgrade.is_some()
}
