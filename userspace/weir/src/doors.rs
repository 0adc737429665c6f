//! Where the admin interface is reached: the unix socket, an address for whoever has a token, the status listener; and who
//! may do what there.

use crate::appliance::{Appliance, answer as answer_to};
use crate::failure::{UNAVAILABLE, failure};
use anyhow::Result;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::rc::{Rc, Weak};
use weir_admin::{Call, Request, Response};
use weir_control::door::{Answer, Asked, Attended, Door, Peer, answer, attend};
use weir_schema::Config;
use weir_schema::admin::{Admin, Role};
use weir_schema::value::Bind;

/// Every door that is open, and who answers there.
#[derive(Default)]
pub(crate) struct Doors {
    appliance: Weak<RefCell<Appliance>>,
    standing: Vec<(Place, Attended)>,
}

/// Where a door is, and what is behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    bind: Bind,
    kind: weir_admin::Door,
}

/// Doors that a configuration asks for beside those that are open already.
pub(crate) struct Prepared(Vec<(Place, Door)>);

impl Doors {
    /// Opens every door of the first configuration. Those of a process that this one replaces pass over to it.
    pub(crate) fn open(appliance: &Rc<RefCell<Appliance>>, config: &Config, replaces: bool) -> Result<()> {
        let unix = if replaces { Door::replace } else { Door::unix };
        let mut doors = Self { appliance: Rc::downgrade(appliance), standing: Vec::new() };
        let prepared = doors.prepare_by(config, unix)?;
        doors.take(config, prepared);
        appliance.borrow_mut().doors = doors;
        Ok(())
    }

    /// Opens what a new configuration asks for, without anybody answering there yet.
    pub(crate) fn prepare(&self, config: &Config) -> Result<Prepared> {
        self.prepare_by(config, Door::unix)
    }

    fn prepare_by(&self, config: &Config, unix: fn(&Path) -> io::Result<Door>) -> Result<Prepared> {
        let is_new = |place: &Place| self.standing.iter().all(|(known, _)| known != place);
        let open = |place: Place| Ok((place.clone(), door_at(&place, unix)?));
        places(config).into_iter().filter(is_new).map(open).collect::<Result<_>>().map(Prepared)
    }

    /// Answers at the doors that were prepared, and closes those that the configuration does not name.
    pub(crate) fn take(&mut self, config: &Config, prepared: Prepared) {
        let wanted = places(config);
        for (place, _) in self.standing.extract_if(.., |(place, _)| !wanted.contains(place)) {
            tracing::info!("{place}: closed");
            if let Bind::Unix(path) = &place.bind {
                std::fs::remove_file(path).ok();
            }
        }
        for (place, door) in prepared.0 {
            let (appliance, kind) = (Weak::clone(&self.appliance), place.kind);
            let answer = async move |asked: Asked| match appliance.upgrade() {
                Some(appliance) => http(one(&appliance, &asked, kind).await),
                None => weir_control::door::plain(503, "this process is about to end\n"),
            };
            self.standing.push((place, attend(door, answer)));
        }
    }
}

/// Every place where a configuration wants a door.
fn places(config: &Config) -> Vec<Place> {
    let mut places =
        vec![Place { bind: Bind::Unix(config.admin.socket.value.0.clone()), kind: weir_admin::Door::Admin }];
    // Tokens must not travel in the clear where TLS was asked for.
    if let (Some(bind), None) = (&config.admin.bind, &config.admin.tls) {
        places.push(Place { bind: bind.value.clone(), kind: weir_admin::Door::Admin });
    }
    if let Some(metrics) = &config.telemetry.metrics {
        places.push(Place { bind: metrics.bind.value.clone(), kind: weir_admin::Door::Status });
    }
    places
}

fn door_at(place: &Place, unix: fn(&Path) -> io::Result<Door>) -> Result<Door> {
    let opened = match &place.bind {
        Bind::Ip(address) => tcp(*address),
        Bind::Any(port) => tcp(SocketAddr::from((Ipv6Addr::UNSPECIFIED, *port))),
        Bind::Unix(path) => unix(Path::new(path)),
    };
    opened.map_err(|error| failure(UNAVAILABLE, format!("cannot open {place}: {error}")))
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match (self.kind, &self.bind) {
            (weir_admin::Door::Admin, Bind::Unix(_)) => "the admin socket",
            (weir_admin::Door::Admin, _) => "the admin address",
            (weir_admin::Door::Status, _) => "the address of the metrics",
        };
        match &self.bind {
            Bind::Ip(address) => write!(f, "{what} {address}"),
            Bind::Any(port) => write!(f, "{what} :{port}"),
            Bind::Unix(path) => write!(f, "{what} {path}"),
        }
    }
}

/// A successor listens beside the process that it replaces.
fn tcp(address: SocketAddr) -> io::Result<Door> {
    let shared = weir_reactor::Listen { shared: true, ..weir_reactor::Listen::default() };
    Door::bound(weir_reactor::open(address, shared)?.into())
}

/// Answers one request. A change leaves a line that says who made it, and what came of it.
async fn one(appliance: &Rc<RefCell<Appliance>>, asked: &Asked, kind: weir_admin::Door) -> Response {
    let (method, uri) = (asked.head.method.as_str(), &asked.head.uri);
    let config = std::sync::Arc::clone(&appliance.borrow().current.config);
    let who = match admitted(&config.admin, asked, kind) {
        Ok(who) => who,
        Err(refusal) => {
            tracing::warn!(peer = %asked.peer, method, path = uri.path(), status = refusal.status, "admin: refused");
            return refusal;
        }
    };
    let request = Request {
        method,
        path: path(&config, uri.path(), kind),
        query: uri.query().unwrap_or_default(),
        body: &asked.body,
    };
    let answer = match Call::parse(&request, kind) {
        Ok(call) => answer_to(appliance, call, field(asked, "accept")).await,
        Err(refusal) => refusal,
    };
    if method != "GET" {
        tracing::info!(%who, method, path = uri.path(), status = answer.status, "admin: change");
    }
    answer
}

/// The path as [`Call`] knows it: the configuration names that of the metrics.
fn path<'a>(config: &'a Config, path: &'a str, kind: weir_admin::Door) -> &'a str {
    const METRICS: &str = "/metrics";
    let metrics = config.telemetry.metrics.as_ref().filter(|_| kind == weir_admin::Door::Status);
    match metrics.map(|metrics| metrics.path.value.as_str()) {
        Some(named) if named == path => METRICS,
        Some(_) if path == METRICS => "/",
        _ => path,
    }
}

/// Who asks, or why they may not.
fn admitted(admin: &Admin, asked: &Asked, kind: weir_admin::Door) -> Result<String, Response> {
    let Peer::Remote(address) = asked.peer else { return Ok(asked.peer.to_string()) };
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
    if kind == weir_admin::Door::Status || admin.tokens.is_empty() {
        return Ok(address.to_string());
    }
    let shown = field(asked, "authorization").strip_prefix("Bearer ").unwrap_or_default();
    let fits = |secret: &str| {
        let [one, other] = [shown, secret].map(|text| digest(&SHA256, text.as_bytes()));
        verify_slices_are_equal(one.as_ref(), other.as_ref()).is_ok()
    };
    let token = admin.tokens.iter().find(|token| fits(token.value.token.value.expose()));
    match token.map(|token| &token.value) {
        None => Err(Response::problem(401, "a token is needed", "send `authorization: Bearer TOKEN`")
            .with("www-authenticate", "Bearer")),
        Some(token) if changes && token.role.value == Role::Read => {
            let detail = format!("`{}` may look and not change; its role is read", token.name.value.0);
            Err(Response::problem(403, "not allowed", &detail))
        }
        Some(token) => Ok(format!("{} at {address}", token.name.value.0)),
    }
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

fn field<'a>(asked: &'a Asked, name: &str) -> &'a str {
    asked.head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn http(response: Response) -> Answer {
    answer(response.status, &response.fields, response.body)
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
