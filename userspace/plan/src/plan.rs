//! The whole configuration as meant.

use std::sync::{Arc, OnceLock};

use rustls::server::ProducesTickets;
use weir_meter::{Directory, Seat};
use weir_policy::Library;
use weir_schema::Config;

use crate::chains::Chains;
use crate::id::{ListenerId, RouteId, UpstreamId};
use crate::limit::Limits;
use crate::listener::Listener;
use crate::log::{AccessLog, Traces};
use crate::names::Names;
use crate::router::Router;
use crate::shield::Shield;
use crate::tls::{CertificateRecord, DownTls, Held, Renewable};
use crate::upstream::Upstream;

/// The whole configuration as meant: nothing in it changes but what certificate files are made into. A reload makes another
/// one, and workers take it between exchanges; what an exchange began with it keeps to its end.
#[derive(Debug)]
pub struct Plan {
    /// Where connections are accepted, by id.
    pub listeners: Vec<Arc<Listener>>,
    /// Which route answers a request.
    pub router: Router,
    /// Where requests are answered, by id.
    pub upstreams: Vec<Arc<Upstream>>,
    /// TLS of the admin address; none if it is spoken to in the clear, or is not there.
    pub admin_tls: Option<Renewable<DownTls>>,
    /// What the program allows itself.
    pub limits: Limits,
    /// What is logged of each request; none if nothing is.
    pub access_log: Option<AccessLog>,
    /// What is recorded of traces.
    pub traces: Option<Traces>,
    /// What the kernel obeys.
    pub shield: Shield,
    /// The shield belongs on the interfaces with a default route, which `shield` cannot name.
    pub shield_by_default_route: bool,
    /// Every certificate that a listener presents.
    pub certificates: Renewable<Vec<Held>>,
    /// The keys of session tickets; none if none are issued.
    pub tickets: Option<Arc<dyn ProducesTickets>>,
    /// The policies of each route and listener.
    pub chains: Chains,
    /// All policies, so that the next plan takes over what they know; none if a program made the plan.
    pub library: Option<Library>,
    /// Where each listener's requests to each route are counted; found once, for all workers.
    pub seats: OnceLock<Vec<Vec<Seat>>>,
    /// The names of its parts; found once, for all workers.
    pub names: OnceLock<Names>,
    /// What all this was compiled from; none if a program made it.
    pub written: Option<Arc<Config>>,
}

impl Plan {
    /// A listener by its id.
    #[must_use]
    pub fn listener(&self, id: ListenerId) -> Option<&Arc<Listener>> {
        self.listeners.get(id.index())
    }

    /// What the certificates say about themselves, each once however many listeners present it.
    #[must_use]
    pub fn records(&self) -> Vec<CertificateRecord> {
        let mut records: Vec<CertificateRecord> = Vec::new();
        for Held { record, .. } in self.certificates.load().iter() {
            if !records.contains(record) {
                records.push(record.clone());
            }
        }
        records
    }

    /// An upstream by its id.
    #[must_use]
    pub fn upstream(&self, id: UpstreamId) -> Option<&Arc<Upstream>> {
        self.upstreams.get(id.index())
    }

    /// The names of its routes and upstreams.
    pub fn names(&self) -> &Names {
        self.names.get_or_init(|| Names::of(self))
    }

    /// Finds the rows of all its numbers, and its names. With very many routes this takes a while, so it is done before the
    /// plan is in force.
    pub fn seat(&self, directory: &mut Directory) {
        self.names();
        self.seats.get_or_init(|| {
            let names = || self.router.rules().iter().map(|rule| &*rule.route.name);
            let of = |listener: &Arc<Listener>| {
                names().map(|route| directory.seat(&listener.name, route)).collect()
            };
            self.listeners.iter().map(of).collect()
        });
    }

    /// Where a listener's requests to a route are counted.
    #[must_use]
    pub fn seat_of(&self, listener: ListenerId, route: RouteId) -> Seat {
        let of_listener = self.seats.get().and_then(|seats| seats.get(listener.index()));
        of_listener.and_then(|seats| seats.get(route.index())).copied().unwrap_or(Seat::OTHER)
    }
}
