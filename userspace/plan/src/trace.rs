//! What would become of a request, told step by step and without sending anything: the listener, each route that was
//! tried and why not, the policies in their order, the upstream and the target.

use std::fmt;
use std::sync::Arc;

use weir_policy::Chain;
use weir_schema::value::Leaf;

use crate::Plan;
use crate::balance::{Balance, Draw};
use crate::diff::Calm;
use crate::host;
use crate::key;
use crate::listener::{Service, Tunnel};
use crate::route::{Action, Redirect, Route};
use crate::router::{Ask, Conditions, Entry, Miss};
use crate::upstream::Upstream;

/// What would become of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The listener.
    pub listener: String,
    /// The routes in the order in which they were tried, up to the one that answers.
    pub tried: Vec<Tried>,
    /// How many more were tried than are told.
    pub left_out: usize,
    /// The route that answers.
    pub route: Option<String>,
    /// What the captures of its path stand for.
    pub captures: Vec<(String, String)>,
    /// The policies that judge, in their order; if it is known who asks, those of the consumer at last.
    pub policies: Vec<String>,
    /// The consumers with policies of their own, one of whom may turn out to ask.
    pub consumers: Vec<String>,
    /// What the route does.
    pub action: String,
    /// The ways that may be taken: one for each upstream of a split.
    pub ways: Vec<Way>,
}

/// A route that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Its name.
    pub route: String,
    /// The host and path of it that were compared.
    pub pattern: String,
    /// Why it does not answer; none for the one that does.
    pub miss: Option<String>,
}

/// An upstream and how a target of it is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The upstream.
    pub upstream: String,
    /// The share of requests that go there, in per cent.
    pub percent: u64,
    /// The target, if the request alone decides.
    pub target: Option<String>,
    /// How it is chosen.
    pub why: String,
}

/// Routes told at most; of very many alike the rest is left out.
pub const TRIED_MAX: usize = 200;
/// Consumers named at most.
const CONSUMERS_TOLD: usize = 20;

/// Follows a request. Where policies would have to verify a token first, routes that ask for claims are not taken.
#[must_use]
pub fn trace(plan: &Plan, ask: &Ask<'_>) -> Trace {
    let listener = plan.listener(ask.listener);
    let own = plan.chains.of_listener(ask.listener);
    let mut trace = Trace {
        listener: listener.map(|listener| listener.name.to_string()).unwrap_or_default(),
        tried: Vec::new(),
        left_out: 0,
        route: None,
        captures: Vec::new(),
        policies: rules(own),
        consumers: Vec::new(),
        action: "No route answers: 404.".to_owned(),
        ways: Vec::new(),
    };
    match listener.map(|listener| &listener.service) {
        Some(Service::Redirect(_, redirect)) => trace.action = sent(redirect),
        Some(Service::Tunnel(tunnel)) => trace.carry(tunnel, ask),
        _ => trace.route(plan, ask),
    }
    trace
}

fn rules(chain: Option<&Arc<Chain>>) -> Vec<String> {
    chain.iter().flat_map(|chain| names(chain)).collect()
}

fn names(chain: &Chain) -> impl Iterator<Item = String> {
    chain.steps().iter().map(|step| step.rule.to_string())
}

/// Consumers that have policies of their own.
fn judged(plan: &Plan) -> Vec<String> {
    let all = plan.library.iter().flat_map(|library| library.consumers().iter());
    let judged = all.filter(|consumer| !consumer.chain.steps().is_empty());
    judged.map(|consumer| consumer.name.to_string()).collect()
}

impl Trace {
    fn route(&mut self, plan: &Plan, ask: &Ask<'_>) {
        let found = plan.router.find(ask);
        (self.tried, self.left_out) = tried(plan, ask, found.map(|found| found.entry));
        let Some(found) = found else { return };
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        self.captures = found.entry.captures(ask.request.path()).map(owned).collect();
        self.route = Some(found.route.name.to_string());
        let chain = plan.chains.of_route(ask.listener, found.route.id);
        self.policies = rules(chain);
        match ask.identity.and_then(|identity| identity.consumer.as_ref()) {
            Some(consumer) => self.policies.extend(names(&consumer.chain)),
            None if chain.is_some_and(|chain| chain.identifies()) => self.consumers = judged(plan),
            None => {}
        }
        self.action = action(found.route);
        self.ways = ways(found.route, ask);
    }

    fn carry(&mut self, tunnel: &Tunnel, ask: &Ask<'_>) {
        match tunnel.find(ask.sni) {
            None => self.action = "No upstream is meant for it: the connection is closed.".to_owned(),
            Some(upstream) => {
                self.action = format!("Its bytes are carried to the upstream `{}`.", upstream.name);
                self.ways = vec![way(upstream, 100, "", ask)];
            }
        }
    }
}

/// Every entry up to the one found; beyond [`TRIED_MAX`] they are only counted.
fn tried(plan: &Plan, ask: &Ask<'_>, found: Option<&Entry>) -> (Vec<Tried>, usize) {
    let mut tried = Vec::new();
    let mut left_out = 0;
    for entry in plan.router.entries() {
        let is_found = found.is_some_and(|found| std::ptr::eq(found, entry));
        let Some(rule) = plan.router.rules().get(entry.route.index()) else { continue };
        let miss = if is_found {
            None
        } else if !host::holds(&entry.host, ask.request.host()) {
            Some("its host is another one".to_owned())
        } else if !entry.path_holds(ask.request.path()) {
            Some("its path is another one".to_owned())
        } else {
            rule.conditions.miss(ask).map(|miss| missed(&miss, &rule.conditions))
        };
        if tried.len() < TRIED_MAX || is_found {
            let pattern = format!("{}{}", entry.host.spell(), entry.path.spell());
            tried.push(Tried { route: rule.route.name.to_string(), pattern, miss });
        } else {
            left_out += 1;
        }
        if is_found {
            break;
        }
    }
    (tried, left_out)
}

/// Why a condition does not hold, with what it asks for where that is short.
fn missed(miss: &Miss<'_>, conditions: &Conditions) -> String {
    match miss {
        Miss::Method => format!("{miss}: {}", conditions.methods.join(", ")),
        Miss::Source => {
            let networks: Vec<String> = conditions.sources.iter().map(ToString::to_string).collect();
            format!("{miss}: {}", networks.join(", "))
        }
        _ => miss.to_string(),
    }
}

fn action(route: &Route) -> String {
    match &route.action {
        Action::Upstream(upstream) => format!("The upstream `{}` answers.", upstream.name),
        Action::Split(_) => "One of several upstreams answers, drawn by weight.".to_owned(),
        Action::Redirect(redirect) => sent(redirect),
        Action::Respond(respond) => {
            format!("weir answers {} with {} bytes of its own.", respond.status, respond.body.len())
        }
    }
}

fn sent(redirect: &Redirect) -> String {
    format!("The client is sent to `{}` with {}.", redirect.to.spell(), redirect.status)
}

fn ways(route: &Route, ask: &Ask<'_>) -> Vec<Way> {
    match &route.action {
        Action::Upstream(upstream) => vec![way(upstream, 100, &route.name, ask)],
        Action::Split(split) => {
            let total: u64 = split.iter().map(|(weight, _)| weight).sum();
            split
                .iter()
                .map(|(weight, one)| way(one, weight * 100 / total.max(1), &route.name, ask))
                .collect()
        }
        Action::Redirect(_) | Action::Respond(_) => Vec::new(),
    }
}

fn way(upstream: &Arc<Upstream>, percent: u64, route: &str, ask: &Ask<'_>) -> Way {
    let (target, why) = match upstream.balance.draw() {
        Draw::Count => (None, "The targets take turns.".to_owned()),
        Draw::Random => (None, "The less busy of two targets drawn at random is taken.".to_owned()),
        Draw::Hash(by) => {
            let key = key::find(by, route, ask);
            let words = match key.of {
                Some(key) => format!("`{}`", key.spell()),
                None => "the client's address, because no key of it is there".to_owned(),
            };
            let name = match upstream.balance {
                Balance::Maglev(..) => "the table",
                _ => "the ring",
            };
            let place = upstream.balance.pick(key.hash, &Calm);
            let target = place.and_then(|place| upstream.targets.get(place));
            (target.map(|target| target.name.to_string()), format!("By {name}, hashing {words}."))
        }
    };
    Way { upstream: upstream.name.to_string(), percent, target, why }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "listener  {}", self.listener)?;
        for tried in &self.tried {
            match &tried.miss {
                Some(miss) => writeln!(f, "  not     {}  {}: {miss}", tried.route, tried.pattern)?,
                None => writeln!(f, "route     {}  {}", tried.route, tried.pattern)?,
            }
        }
        if self.left_out > 0 {
            writeln!(f, "  not     and {} more, not told here", self.left_out)?;
        }
        for (name, value) in &self.captures {
            writeln!(f, "  capture {name} = {value}")?;
        }
        for policy in &self.policies {
            writeln!(f, "policy    {policy}")?;
        }
        if !self.consumers.is_empty() {
            let (told, more) = self.consumers.split_at(self.consumers.len().min(CONSUMERS_TOLD));
            let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
            writeln!(
                f,
                "  then    its own, if the consumer is one of {}{more}; --as shows them",
                told.join(", ")
            )?;
        }
        writeln!(f, "action    {}", self.action)?;
        for way in &self.ways {
            let target = way.target.as_deref().unwrap_or("any target");
            writeln!(f, "upstream  {} ({} %) -> {target}  {}", way.upstream, way.percent, way.why)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
