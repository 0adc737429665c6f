//! `weir trace`: what would become of a request.

use super::running::versioned;
use super::{CONFIG, Output};
use crate::failure::{USAGE, failure};
use crate::files;
use crate::load::{load, load_offline};
use anyhow::{Result, anyhow};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use weir_message::{Request, Scheme, uri};
use weir_plan::Plan;
use weir_plan::listener::{Bind, Listener, Service};
use weir_plan::router::Ask;
use weir_plan::trace::{Tried, Way, trace};
use weir_policy::{Identity, Library};
use weir_schema::Config;

#[derive(clap::Args)]
pub(crate) struct Trace {
    /// The method.
    method: String,
    /// The URL as a client would ask for it.
    url: String,
    /// A header field, `name: value`; may be given several times.
    #[arg(short = 'H', long = "header", value_name = "FIELD")]
    headers: Vec<String>,
    /// The address of the client.
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    from: IpAddr,
    /// The consumer who asks, as if a credential had said so.
    #[arg(long = "as", value_name = "CONSUMER")]
    consumer: Option<String>,
    /// Leave everything outside the configuration alone: environment, secrets, keys.
    #[arg(long)]
    offline: bool,
    /// The listener by name; otherwise the URL's scheme and port decide.
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// The configuration. Files of `conf.d` beside it belong to it.
    #[arg(short, long, default_value = CONFIG)]
    config: PathBuf,
    /// How to print.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
}

impl Trace {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let (scheme, authority, target) = split(&self.url)?;
        // What is wrong with the wish is said before anything is read; the listener's own rules come below.
        let lenient = uri::Rules { keep_escaped_slashes: true, ..uri::Rules::default() };
        let as_by = |rules| self.request((scheme, authority, &target), rules).map_err(|error| usage(&error));
        let asked = as_by(lenient)?;
        let sources = files::sources(&self.config)?;
        let loaded = if self.offline { load_offline(sources)? } else { load(sources, None)? };
        let plan = &loaded.plan;
        let listener = self.find(plan, &loaded.config, (scheme, asked.port()))?;
        let request = as_by(listener.paths)?;
        let identity = self.consumer.as_ref().map(|name| identity(name, plan)).transpose()?;
        let client = match self.from {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        let sni = (scheme == Scheme::Https).then(|| request.host());
        let ask = Ask { request: &request, listener: listener.id, client, sni, identity: identity.as_ref() };
        let told = trace(plan, &ask);
        match self.output {
            Output::Text => print!("{told}"),
            Output::Json => println!("{:#}", versioned(shown(&told, client))),
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The request as a listener would have read it.
    fn request(
        &self,
        (scheme, authority, target): (Scheme, &str, &str),
        rules: uri::Rules,
    ) -> Result<Request> {
        let mut request = Request::default();
        request.begin(scheme, self.method.as_bytes(), authority.as_bytes(), target.as_bytes());
        for field in &self.headers {
            let (name, value) =
                field.split_once(':').ok_or_else(|| anyhow!("`{field}` is no field: write `name: value`"))?;
            let added = request.head.append(name.trim(), value.trim().as_bytes());
            added.map_err(|error| anyhow!("`{field}` is no field: {error}"))?;
        }
        request.settle(rules).map_err(|error| anyhow!("no such request: {error}"))?;
        Ok(request)
    }

    /// The listener that is named, or one that the URL fits: by its port first, then by its scheme.
    fn find<'p>(
        &self,
        plan: &'p Plan,
        config: &Config,
        (scheme, port): (Scheme, u16),
    ) -> Result<&'p Arc<Listener>> {
        let listeners = &plan.listeners;
        // As written: in a plan of which nothing was opened no listener has certificates.
        let has_tls = |listener: &Listener| {
            config.listeners.get(listener.id.index()).is_some_and(|it| it.tls.is_some())
        };
        let secure = |listener: &&Arc<Listener>| has_tls(listener) == (scheme == Scheme::Https);
        let found = match &self.listener {
            Some(name) => listeners.iter().find(|listener| *listener.name == **name),
            None => {
                listeners.iter().find(|listener| listener.binds.iter().any(|bind| has(bind, port))).or_else(
                    || listeners.iter().filter(|it| !matches!(it.service, Service::Tunnel(_))).find(secure),
                )
            }
        };
        found.ok_or_else(|| {
            let names: Vec<&str> = listeners.iter().map(|listener| &*listener.name).collect();
            let wanted = match &self.listener {
                Some(name) => format!("there is no listener `{name}`"),
                None => format!("no listener has port {port} or this scheme"),
            };
            usage(&anyhow!("{wanted}; --listener names one of: {}", names.join(", ")))
        })
    }
}

/// What is known of a consumer whose credential was found good.
fn identity(name: &str, plan: &Plan) -> Result<Identity> {
    let consumers = plan.library.as_ref().map(Library::consumers);
    let found = consumers.and_then(|consumers| consumers.find(name.as_bytes()));
    let consumer = found.ok_or_else(|| {
        let known: Vec<&str> =
            consumers.into_iter().flat_map(|all| all.iter()).map(|one| &*one.name).collect();
        usage(&anyhow!("there is no consumer `{name}`; --as names one of: {}", known.join(", ")))
    })?;
    Ok(Identity { consumer: Some(Arc::clone(consumer)), authenticated: true, ..Identity::default() })
}

fn usage(error: &anyhow::Error) -> anyhow::Error {
    failure(USAGE, format!("{error:#}"))
}

fn has(bind: &Bind, port: u16) -> bool {
    match bind {
        Bind::Ip(address) => address.port() == port,
        Bind::Any(own) => *own == port,
        Bind::Unix(_) => false,
    }
}

/// Scheme, authority and target of a URL.
fn split(url: &str) -> Result<(Scheme, &str, String)> {
    let schemes = [("http://", Scheme::Http), ("https://", Scheme::Https)];
    let found = schemes.into_iter().find_map(|(prefix, scheme)| Some((scheme, url.strip_prefix(prefix)?)));
    let Some((scheme, rest)) = found else {
        return Err(failure(USAGE, format!("`{url}` is no URL: it begins with http:// or https://")));
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    let target = target.split_once('#').map_or(target, |(target, _)| target);
    let slash = if target.starts_with('/') { "" } else { "/" };
    Ok((scheme, authority, format!("{slash}{target}")))
}

fn shown(told: &weir_plan::trace::Trace, client: Ipv6Addr) -> Value {
    let tried = |tried: &Tried| json!({ "route": tried.route, "pattern": tried.pattern, "miss": tried.miss });
    let way = |way: &Way| json!({ "upstream": way.upstream, "percent": way.percent, "target": way.target, "why": way.why });
    json!({
        "listener": told.listener,
        "client": client.to_canonical(),
        "tried": told.tried.iter().map(tried).collect::<Vec<_>>(),
        "left_out": told.left_out,
        "route": told.route,
        "captures": told.captures.iter().map(|(name, value)| (name.clone(), json!(value))).collect::<serde_json::Map<_, _>>(),
        "policies": told.policies,
        "consumers_with_policies": told.consumers,
        "action": told.action,
        "ways": told.ways.iter().map(way).collect::<Vec<_>>(),
    })
}
