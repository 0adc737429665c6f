//! Who may ask what at a door.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use std::net::IpAddr;
use weir_admin::{Door, Response};
use weir_control::door::{Asked, Peer};
use weir_schema::admin::{Admin, Role, Token};

/// Who asks, or why they may not.
pub(super) fn admitted(admin: &Admin, asked: &Asked, kind: Door) -> Result<String, Response> {
    let holder = match &asked.peer {
        Peer::Local(..) | Peer::Unknown => return Ok(asked.peer.to_string()),
        Peer::Remote(_) => false,
        Peer::Certified(..) => true,
    };
    // A browser that was led here by a name of somebody else's (DNS rebinding) says so by its Host.
    let host = field(asked, "host");
    if !is_ours(host, &hostname()) {
        let detail = format!("\"{host}\" is not a name of this host; ask by its address or its own name");
        return Err(Response::problem(421, "misdirected request", &detail));
    }
    // No page may change anything here; programs send no origin.
    let changes = asked.head.method != "GET";
    if changes && !field(asked, "origin").is_empty() {
        return Err(Response::problem(403, "not for browsers", "a page may not change anything here"));
    }
    if kind == Door::Status || (admin.tokens.is_empty() && holder) {
        return Ok(asked.peer.to_string());
    }
    if admin.tokens.is_empty() {
        return Err(Response::problem(
            401,
            "a certificate is needed",
            "show one that `client_ca` has signed",
        ));
    }
    let Some(token) = shown(admin, asked) else {
        return Err(Response::problem(401, "a token is needed", "send `authorization: Bearer TOKEN`")
            .with("www-authenticate", "Bearer"));
    };
    if changes && token.role.value == Role::Read {
        let detail = format!("`{}` may look and not change; its role is read", token.name.value.0);
        return Err(Response::problem(403, "not allowed", &detail));
    }
    Ok(format!("{} as {}", asked.peer, token.name.value.0))
}

/// The token of the configuration that a request shows. It is compared by its hash, so that time tells nothing about it.
fn shown<'a>(admin: &'a Admin, asked: &Asked) -> Option<&'a Token> {
    let shown = field(asked, "authorization").strip_prefix("Bearer ").unwrap_or_default();
    let fits = |secret: &str| {
        let [one, other] = [shown, secret].map(|text| digest(&SHA256, text.as_bytes()));
        verify_slices_are_equal(one.as_ref(), other.as_ref()).is_ok()
    };
    let token = admin.tokens.iter().find(|token| fits(token.value.token.value.expose()));
    token.map(|token| &token.value)
}

/// Whether a `Host` names this host: an address, `localhost`, or a name that begins with its own. Whoever sends none is no
/// browser, but perhaps a health check over HTTP/1.0.
fn is_ours(host: &str, own: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let first = name.split('.').next().unwrap_or_default();
    let own = own.split('.').next().unwrap_or_default();
    host.is_empty()
        || bare.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || (!own.is_empty() && first.eq_ignore_ascii_case(own))
}

fn hostname() -> String {
    nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default()
}

/// A field of the request; empty if it is not there or not text.
pub(super) fn field<'a>(asked: &'a Asked, name: &str) -> &'a str {
    asked.head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_name_is_not_ours() {
        let check = |host: &str, ours: bool| assert_eq!(is_ours(host, "edge1.example"), ours, "{host}");
        for host in [
            "127.0.0.1",
            "10.0.0.1:9900",
            "[::1]:9900",
            "[::1]",
            "localhost:9900",
            "edge1",
            "EDGE1.other.test:9",
            "",
        ] {
            check(host, true);
        }
        for host in ["evil.example", "evil.example:9900", "127.0.0.1.evil.example", "localhost.evil.example"]
        {
            check(host, false);
        }
        assert!(!is_ours("evil.example", ""));
    }
}
