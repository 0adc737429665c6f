//! The whole file: its sections, and what must hold between them.

mod check;
mod merge;
mod parse;
pub(crate) mod trail;
mod unopened;

use crate::admin::Admin;
use crate::consumer::Consumer;
use crate::limits::Limits;
use crate::listener::Listener;
use crate::policy::{Policy, PolicyUse};
use crate::route::Route;
use crate::section::section;
use crate::shield::Shield;
use crate::span::At;
use crate::telemetry::Telemetry;
use crate::tls::Tls;
use crate::upstream::Upstream;
use crate::value::{Map, Name};

pub use parse::{Outcome, parse};

section! {
    /// The configuration of weir.
    pub struct Config "file" {
        /// The version of this language: 1.
        pub version: At<u32>,
        /// What the kernel judges before any socket sees it. `mode: off` leaves the kernel alone.
        pub shield: At<Box<Shield>>,
        /// Where connections are accepted.
        pub listeners: Vec<At<Listener>>,
        /// What happens to requests.
        pub routes: Vec<At<Route>>,
        /// Policies by name, for use in any chain.
        pub policies: Map<Policy>,
        /// Who calls, by name.
        pub consumers: Map<Consumer>,
        /// Where requests are answered, by name.
        pub upstreams: Map<Upstream>,
        /// What holds for TLS on every listener.
        pub tls: At<Tls>,
        /// Metrics and logs.
        pub telemetry: At<Telemetry>,
        /// The interface for commands and the web page.
        pub admin: At<Admin>,
        /// What the whole program allows itself.
        pub limits: At<Limits>,
    }
}

impl Config {
    /// Every place that names an upstream.
    pub fn upstreams_used(&self) -> impl Iterator<Item = &At<Name>> {
        let of_routes = self.routes.iter().flat_map(|route| route.value.upstreams());
        let tcp = self.listeners.iter().filter_map(|listener| listener.value.tcp.as_ref());
        of_routes.chain(tcp.flat_map(|tcp| {
            tcp.value.upstream.iter().chain(tcp.value.sni.iter().map(|(_, upstream)| upstream))
        }))
    }

    /// Every place in a chain.
    pub fn policies_used(&self) -> impl Iterator<Item = &At<PolicyUse>> {
        let of_listeners = self.listeners.iter().flat_map(|listener| &listener.value.policies);
        let of_routes = self.routes.iter().flat_map(|route| &route.value.policies);
        let of_consumers = self.consumers.iter().flat_map(|(_, consumer)| &consumer.value.policies);
        of_listeners.chain(of_routes).chain(of_consumers)
    }
}
