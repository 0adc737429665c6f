//! Plans made by hand.
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use weir_plan::balance::Balance;
use weir_plan::hash::{Cycle, Place};
use weir_plan::id::{ListenerId, RouteId, UpstreamId};
use weir_plan::limit::{ExchangeLimits, Limits, Retry, Timeouts};
use weir_plan::listener::{Bind, Forwarded, Listener, Protocols, Service};
use weir_plan::page::Pages;
use weir_plan::route::{Action, Redirect, Respond, Rewrite, Route};
use weir_plan::router::{Conditions, Router, Rule};
use weir_plan::shield::Shield;
use weir_plan::upstream::{Address, Breaker, Health, KeepAlive, Target, UpProtocol, Upstream};
use weir_plan::{
    Plan,
    chains::Chains,
    tls::{DownTls, Renewable},
};
use weir_policy::{Chain, Link, Step};
use weir_schema::value::{Leaf, PathPattern, Template};

/// How long everything is waited for: no machine is too slow for a test that is not about time.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long in tests of what happens then.
const IMPATIENCE: Duration = Duration::from_millis(500);

/// A plan under construction.
pub struct Draft {
    pub listener: Listener,
    pub rules: Vec<Rule>,
    pub upstreams: Vec<Arc<Upstream>>,
    /// What judges the requests of every route.
    pub policies: Vec<Arc<Step>>,
    /// What judges everything at the listener.
    pub door: Vec<Arc<Step>>,
    /// How long connections may take to end.
    pub drain_timeout: Duration,
}

impl Default for Draft {
    fn default() -> Draft {
        let listener = Listener {
            id: ListenerId(0),
            name: Arc::from("edge"),
            binds: vec![Bind::Ip("127.0.0.1:0".parse().unwrap())],
            proxy_protocol: None,
            tls: None,
            hsts: None,
            paths: weir_message::uri::Rules::default(),
            trusted_proxies: Vec::new(),
            forwarded: Forwarded { x_forwarded: false, rfc7239: false },
            joins_traces: true,
            trace_formats: Default::default(),
            aborts_on_half_close: false,
            proxy_status: false,
            pages: Pages::default(),
            limits: ExchangeLimits {
                header_bytes_max: 16 * 1024,
                headers_max: 100,
                header_timeout: PATIENCE,
                idle_timeout: PATIENCE,
                body_bytes_max: None,
                body_bytes_per_second_min: 0,
                requests_max: 1000,
                streams_max: 100,
            },
            service: Service::Http(Protocols { http1: true, http2: false }),
        };
        Draft {
            listener,
            rules: Vec::new(),
            upstreams: Vec::new(),
            policies: Vec::new(),
            door: Vec::new(),
            drain_timeout: PATIENCE,
        }
    }
}

impl Draft {
    /// Everything goes to one origin.
    pub fn to(origin: SocketAddr) -> Draft {
        let mut draft = Draft::default();
        draft.route("/*", |draft| Action::Upstream(draft.upstream(&[origin])));
        draft
    }

    /// The upstream at this address in place of any other, for every path.
    pub fn replace_upstream(&mut self, address: SocketAddr, change: impl FnOnce(&mut Upstream)) {
        let mut own = upstream(UpstreamId(0), &[address]);
        change(&mut own);
        let own = Arc::new(own);
        (self.rules, self.upstreams) = (Vec::new(), vec![Arc::clone(&own)]);
        self.route("/*", |_| Action::Upstream(own));
    }

    /// Adds a route.
    pub fn route(&mut self, path: &str, action: impl FnOnce(&mut Draft) -> Action) -> &mut Route {
        let action = action(self);
        let route = Route {
            id: RouteId(u32::try_from(self.rules.len()).unwrap()),
            name: Arc::from(path),
            action,
            rewrite: Rewrite::default(),
            timeouts: None,
            retry: None,
            body_bytes_max: None,
            upgrade: true,
        };
        self.rules.push(Rule {
            route: Arc::new(route),
            priority: 0,
            hosts: Vec::new(),
            paths: vec![PathPattern::parse(path).unwrap()],
            conditions: Conditions::default(),
        });
        Arc::get_mut(&mut self.rules.last_mut().unwrap().route).unwrap()
    }

    /// Adds an upstream with these targets, which take turns.
    pub fn upstream(&mut self, targets: &[SocketAddr]) -> Arc<Upstream> {
        let id = UpstreamId(u32::try_from(self.upstreams.len()).unwrap());
        let upstream = Arc::new(upstream(id, targets));
        self.upstreams.push(Arc::clone(&upstream));
        upstream
    }

    /// An upstream that is not part of this plan.
    pub fn upstream_alone(&self, targets: &[SocketAddr]) -> Arc<Upstream> {
        Arc::new(upstream(UpstreamId(0), targets))
    }

    /// Heads, answers and bodies have half a second, for tests of what happens when they take longer.
    pub fn impatient(&mut self) {
        self.listener.limits.header_timeout = IMPATIENCE;
        for rule in &mut self.rules {
            let timeouts =
                Timeouts { connect: IMPATIENCE, first_byte: IMPATIENCE, idle: IMPATIENCE, total: None };
            Arc::get_mut(&mut rule.route).unwrap().timeouts = Some(timeouts);
        }
    }

    pub fn tls(&mut self, config: Arc<rustls::ServerConfig>) {
        self.tls_within(config, PATIENCE);
    }

    pub fn tls_within(&mut self, config: Arc<rustls::ServerConfig>, handshake_timeout: Duration) {
        self.listener.tls = Some(Renewable::new(Arc::new(DownTls {
            config,
            certificates: Arc::default(),
            clients: None,
            handshake_timeout,
        })));
    }

    pub fn finish(self) -> Plan {
        let routes: Vec<Chain> = self.rules.iter().map(|_| Chain::new(self.policies.clone())).collect();
        let chains = Chains::new(&[Chain::new(self.door)], &routes);
        Plan {
            admin_tls: None,
            listeners: vec![Arc::new(self.listener)],
            router: Router::new(self.rules).unwrap(),
            upstreams: self.upstreams,
            limits: Limits {
                workers: None,
                connections_max: 1000,
                connections_per_ip_max: 1000,
                handshakes_max: 1000,
                buffer_bytes_max: 1 << 30,
                drain_timeout: self.drain_timeout,
                name_lifetime: Duration::from_millis(50),
                retired_max: 20,
                generations_max: 1,
                overload: 1.0,
            },
            access_log: None,
            traces: None,
            shield: Shield::default(),
            shield_by_default_route: false,
            certificates: Renewable::default(),
            chains,
            library: None,
            tickets: None,
            seats: std::sync::OnceLock::new(),
            names: std::sync::OnceLock::new(),
            written: None,
        }
    }
}

/// A policy at its place.
pub fn step(rule: &str, link: Link) -> Arc<Step> {
    Arc::new(Step { rule: rule.into(), link, observe: false })
}

pub fn respond(status: u16, body: &str) -> Action {
    Action::Respond(Respond {
        status,
        body: Arc::from(body.as_bytes()),
        content_type: "text/plain".to_owned(),
        headers: Vec::new(),
    })
}

pub fn redirect(to: &str, status: u16) -> Action {
    Action::Redirect(Redirect { to: Template::parse(to).unwrap(), status })
}

fn upstream(id: UpstreamId, targets: &[SocketAddr]) -> Upstream {
    let names: Vec<String> = targets.iter().map(ToString::to_string).collect();
    let places: Vec<Place<'_>> = names.iter().map(|name| Place { name, weight: 1 }).collect();
    Upstream {
        id,
        name: Arc::from(format!("up{}", id.0)),
        targets: targets
            .iter()
            .zip(&names)
            .map(|(at, name)| Target { name: Arc::from(name.as_str()), address: Address::Ip(*at), weight: 1 })
            .collect(),
        balance: Balance::RoundRobin(Cycle::new(&places)),
        protocol: UpProtocol::Http1,
        tls: None,
        health: Health { active: None, passive: None, panic: 0.5 },
        breaker: Breaker { connections_max: 100, pending_max: 100, requests_max: 100, retries_max: 100 },
        timeouts: Timeouts { connect: PATIENCE, first_byte: PATIENCE, idle: PATIENCE, total: None },
        retry: Retry {
            attempts_max: 1,
            on_connect: true,
            on_reset: true,
            on_timeout: false,
            on_status: Vec::new(),
            budget: 1.0,
            body_bytes_max: 1000,
            backoff: Duration::from_millis(1),
            backoff_max: Duration::from_millis(1),
            tells_attempt: false,
        },
        keep_alive: KeepAlive { connections_max: 8, idle: Duration::from_secs(10), requests_max: 1_000_000 },
        slow_start: Duration::ZERO,
        proxy_protocol: None,
    }
}
