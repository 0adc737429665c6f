//! Where the admin interface is reached: the unix socket, an address for whoever has a token or a certificate, the status
//! listener.

mod admission;

use crate::appliance::{Appliance, Terms, answer as answer_to};
use crate::failure::{UNAVAILABLE, failure};
use admission::{admitted, field};
use anyhow::Result;
use std::cell::RefCell;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::Path;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use weir_admin::{Call, Request, Response};
use weir_control::door::{Answer, Asked, Attended, Door, answer, attend};
use weir_schema::Config;
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

impl Place {
    /// A socket of this host needs none, and the status listener has nothing to hide.
    fn takes_tls(&self) -> bool {
        self.kind == weir_admin::Door::Admin && !matches!(self.bind, Bind::Unix(_))
    }
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
            let tls = place.takes_tls().then(|| Weak::clone(&self.appliance));
            // The plan in force says what secures the next connection: a renewed certificate takes neither a reload nor a restart.
            let tls = move || {
                let appliance = tls.as_ref()?.upgrade()?;
                let plan = Arc::clone(&appliance.borrow().current.plan);
                plan.admin_tls.as_ref().map(|tls| Arc::clone(&tls.load().config))
            };
            let answer = async move |asked: Asked| match appliance.upgrade() {
                Some(appliance) => http(one(&appliance, &asked, kind).await),
                None => weir_control::door::plain(503, "this process is about to end\n"),
            };
            self.standing.push((place, attend(door, tls, answer)));
        }
    }
}

/// Every place where a configuration wants a door.
fn places(config: &Config) -> Vec<Place> {
    let mut places =
        vec![Place { bind: Bind::Unix(config.admin.socket.value.0.clone()), kind: weir_admin::Door::Admin }];
    if let Some(bind) = &config.admin.bind {
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
    opened.map_err(|error| {
        let remedy = match (&place.bind, error.kind()) {
            (Bind::Unix(_), io::ErrorKind::NotFound) => "; make its folder, or set `admin.socket`",
            _ => "",
        };
        failure(UNAVAILABLE, format!("cannot open {place}: {error}{remedy}"))
    })
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

/// Answers one request. A change leaves a line that says who made it, what it was, and what came of it.
async fn one(appliance: &Rc<RefCell<Appliance>>, asked: &Asked, kind: weir_admin::Door) -> Response {
    let (method, uri) = (asked.head.method.as_str(), &asked.head.uri);
    let config = Arc::clone(&appliance.borrow().current.config);
    let before = appliance.borrow().config_hash();
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
    let terms = Terms { accept: field(asked, "accept"), if_match: field(asked, "if-match") };
    let (what, rehearsed, answer) = match Call::parse(&request, kind) {
        Ok(call) => {
            let rehearsed = matches!(call, Call::Rehearse(_));
            (call.what(), rehearsed, answer_to(appliance, &terms, call).await)
        }
        Err(refusal) => (String::new(), false, refusal),
    };
    if method != "GET" {
        let (generation, after, status) =
            (appliance.borrow().generation, appliance.borrow().config_hash(), answer.status);
        let said = if rehearsed { "admin: dry run, nothing is changed" } else { "admin: change" };
        tracing::info!(%who, method, path = uri.path(), what, generation, before, after, status, "{said}");
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

fn http(response: Response) -> Answer {
    answer(response.status, &response.fields, response.body)
}
