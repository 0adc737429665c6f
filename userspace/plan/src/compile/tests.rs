//! Whole configurations, compiled.

mod tls;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, UnixTime};
use weir_schema::lookup::Fixed;
use weir_schema::{Config, Report, Sources};

use super::{Files, Outside, compile};
use crate::balance::Balance;
use crate::listener::{Bind, Protocols, Service};
use crate::route::Action;
use crate::shield::{Mode, PortAction};
use crate::{Outcome, Plan};

/// Files by path.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) roots: Vec<CertificateDer<'static>>,
}

impl Files for Given {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.files.get(path).cloned().ok_or_else(|| "there is no such file".to_owned())
    }

    fn roots(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        Ok(self.roots.clone())
    }
}

pub(crate) const NOW: u64 = 1_800_000_000;

pub(crate) fn read(text: &str) -> Arc<Config> {
    let sources = Sources::one("weir.yaml", format!("version: 1\nshield: {{ mode: off }}\n{text}"));
    let outcome = weir_schema::parse(&sources, &Fixed::default());
    match outcome.into_result() {
        Ok((config, _)) => Arc::new(config),
        Err(report) => panic!("{text}\n{report:#?}"),
    }
}

pub(crate) fn compiled(text: &str, files: &Given) -> Outcome {
    let now = UnixTime::since_unix_epoch(Duration::from_secs(NOW));
    compile(&read(text), &Outside { files, now, before: None })
}

pub(crate) fn plan(text: &str) -> Plan {
    let outcome = compiled(text, &Given::default());
    outcome.plan.unwrap_or_else(|| panic!("{:#?}", outcome.report))
}

/// Each diagnostic as its code, line, column and message.
fn told(report: &Report) -> Vec<String> {
    let tell = |found: &weir_schema::Diagnostic| {
        let (line, column) = (found.span.line - 2, found.span.column);
        format!("{} {line}:{column} {}", found.code.as_str(), found.message)
    };
    report.iter().map(tell).collect()
}

#[track_caller]
fn check(text: &str, expect: &[&str]) {
    assert_eq!(told(&compiled(text, &Given::default()).report), expect, "{text}");
}

const REST: &str = "listeners: [ { bind: ':80' } ]\nupstreams: { a: { targets: [ 10.0.0.1:80 ] } }\n";

#[test]
fn a_plain_file_becomes_a_plan() {
    let plan = plan(
        "listeners: [ { name: edge, bind: [ ':80', 'unix:/run/x' ] }, { bind: ':81', protocols: h2 } ]
routes: [ { match: api.example.com/v1/*, upstream: a, timeouts: { connect: 1s } } ]
upstreams: { a: { targets: [ { address: '10.0.0.1:80', weight: 2 }, 'b.internal:81' ], balance: { maglev: [ header X-User, ip ] } } }
",
    );
    let [edge, second] = plan.listeners.as_slice() else { panic!() };
    assert_eq!((&*edge.name, &*second.name), ("edge", ":81"));
    assert_eq!(edge.binds, [Bind::Any(80), Bind::Unix("/run/x".into())]);
    assert!(matches!(edge.service, Service::Http(Protocols { http1: true, http2: false })));
    assert!(matches!(second.service, Service::Http(Protocols { http1: false, http2: true })));
    let route = &plan.router.rules()[0].route;
    let Action::Upstream(upstream) = &route.action else { panic!() };
    assert!(Arc::ptr_eq(upstream, &plan.upstreams[0]));
    assert_eq!(route.timeouts(upstream).connect, Duration::from_secs(1));
    assert_eq!((&*route.name, &*upstream.name), ("api.example.com/v1/*", "a"));
    assert_eq!((&*upstream.targets[1].name, upstream.targets[0].weight), ("b.internal:81", 2));
    assert!(matches!(upstream.balance, Balance::Maglev(..)));
    assert!(plan.shield.interfaces.is_empty() && !plan.shield_by_default_route);
}

#[test]
fn faults_are_told_at_their_place_and_all_at_once() {
    check(
        &format!(
            "{REST}routes: [ {{ match: /x, respond: {{ file: /no }} }}, {{ match: {{ path: '~^/(' }}, upstream: a }} ]"
        ),
        &[
            "E0302 3:41 `/no` cannot be read: there is no such file",
            "E0210 3:67 this expression cannot be used: unclosed group",
        ],
    );
    check(
        &format!("{REST}routes: [ {{ match: {{ path: [ /a, '~^/(' ] }}, upstream: a }} ]"),
        &["E0210 3:34 this expression cannot be used: unclosed group"],
    );
    check(
        &format!(
            "{REST}routes: [ {{ match: {{ path: '/a/{{x}}' }}, upstream: a, rewrite: {{ path: '/{{path.y}}' }} }} ]"
        ),
        &["E0213 3:70 no part of the path is called `y` here"],
    );
    check(
        &format!("{REST}routes: [ {{ match: {{ path: /ä }}, upstream: a }} ]"),
        &["E0209 3:28 no request has this path: malformed request target"],
    );
}

#[test]
fn routes_that_never_match_are_told() {
    let shadowed = |routes: &str, expect: &[&str]| check(&format!("{REST}routes:\n{routes}"), expect);
    shadowed("- { match: /a, upstream: a }\n- { match: /b, upstream: a }\n", &[]);
    shadowed(
        "- { match: /a, upstream: a }\n- { name: second, match: /a, upstream: a }\n",
        &["W0603 5:26 the route `second` can never match"],
    );
    shadowed(
        "- { match: { path: '/{x}' }, upstream: a }\n- { match: { path: [ '/{y}', /b ] }, upstream: a }\n",
        &[],
    );
    shadowed(
        "- { match: { path: '/{x}' }, upstream: a }\n- { match: { path: '/{y}' }, upstream: a }\n",
        &["W0603 5:12 the route `/{y}` can never match"],
    );
    // The one with a condition comes first, whatever the order in the file.
    shadowed("- { match: /a, upstream: a }\n- { match: { path: /a, methods: GET }, upstream: a }\n", &[]);
    shadowed(
        "- { match: { path: /a, methods: GET }, upstream: a }\n- { match: { path: /a, methods: GET }, upstream: a }\n",
        &["W0603 5:12 the route `/a` can never match"],
    );
    shadowed(
        "- { match: a.com/x/y, upstream: a }\n- { match: '*.com/x/*', priority: 1, upstream: a }\n",
        &["W0603 4:12 the route `a.com/x/y` can never match"],
    );
    shadowed("- { match: a.com/xy, upstream: a }\n- { match: '*.com/x/*', priority: 1, upstream: a }\n", &[]);
}

#[test]
fn the_shield_protects_what_listeners_hold() {
    let text = "version: 1
shield: { per_source: { icmp: 30/m }, deny: { cidrs: 203.0.113.0/24, mode: observe }, closed: [ tcp/9900 ] }
listeners: [ { bind: [ ':80', '127.0.0.1:80' ] }, { bind: ':443' } ]
routes: [ { match: /*, respond: { body: hi } } ]
";
    let outcome = weir_schema::parse(&Sources::one("weir.yaml", text), &Fixed::default());
    let config = Arc::new(outcome.into_result().unwrap().0);
    let now = UnixTime::since_unix_epoch(Duration::from_secs(NOW));
    let outcome = compile(&config, &Outside { files: &Given::default(), now, before: None });
    let codes: Vec<_> = outcome.report.iter().map(|found| found.code.as_str()).collect();
    assert_eq!(codes, ["W0605"], "30/m is 1/s in the kernel");
    let plan = outcome.plan.unwrap();
    assert!(plan.shield_by_default_route);
    let ports: Vec<_> = plan.shield.ports.iter().map(|rule| (*rule.ports.start(), rule.action)).collect();
    assert_eq!(ports, [(80, PortAction::Protect), (443, PortAction::Protect), (9900, PortAction::Drop)]);
    assert_eq!((plan.shield.stages.deny, plan.shield.stages.bans), (Mode::Observe, Mode::Enforce));
    assert_eq!(plan.shield.limits.source.rates.icmp.unwrap().per_second, 1);
    assert_eq!(plan.shield.limits.source.rates.new_connections.unwrap().burst, 400);
}

#[test]
fn each_scope_of_the_shields_limits_keeps_its_mode() {
    let text = "version: 1
shield: { per_source: { mode: off }, per_prefix: { bytes: 8KiB/s, icmp: 5/s, mode: observe }, late_fragments: observe, allow: { cidrs: 192.0.2.0/24, mode: off } }
listeners: [ { bind: ':80' } ]
routes: [ { match: /*, respond: {} } ]
";
    let outcome = weir_schema::parse(&Sources::one("weir.yaml", text), &Fixed::default());
    let config = Arc::new(outcome.into_result().unwrap().0);
    let now = UnixTime::since_unix_epoch(Duration::from_secs(NOW));
    let plan = compile(&config, &Outside { files: &Given::default(), now, before: None }).plan.unwrap();
    let (limits, stages) = (plan.shield.limits, plan.shield.stages);
    assert_eq!(
        (limits.source.mode, limits.network.mode, limits.port_mode),
        (Mode::Off, Mode::Observe, Mode::Off)
    );
    assert_eq!((limits.network.rates.bytes.unwrap().per_second, stages.limits), (8192, Mode::Observe));
    assert_eq!(limits.network.rates.icmp.unwrap().per_second, 5);
    assert_eq!(plan.shield.late_fragments, crate::shield::Fragments::Observe);
    assert!(plan.shield.allow.networks.is_empty(), "a list that is off allows nobody");
}

#[test]
fn a_protected_port_may_have_totals_of_its_own() {
    let text = "version: 1
shield:
  per_port:
    packets: 9/s
    new_connections: 8/s burst 80
    ports:
      - { port: tcp/80, new_connections: 7/s, bytes: 1KiB/s }
      - { port: tcp/81, packets: 1/s }
listeners: [ { bind: [ ':80', ':443' ] } ]
routes: [ { match: /*, respond: {} } ]
";
    let outcome = weir_schema::parse(&Sources::one("weir.yaml", text), &Fixed::default());
    let config = Arc::new(outcome.into_result().unwrap().0);
    let now = UnixTime::since_unix_epoch(Duration::from_secs(NOW));
    let outcome = compile(&config, &Outside { files: &Given::default(), now, before: None });
    let codes: Vec<_> = outcome.report.iter().map(|found| found.code.as_str()).collect();
    assert_eq!(codes, ["W0605"], "nobody protects port 81");
    let shield = outcome.plan.unwrap().shield;
    let [web, tls] = shield.ports.as_slice() else { panic!("{:?}", shield.ports) };
    assert_eq!(tls.total, None);
    let own = web.total.unwrap();
    let per_second = [own.packets, own.bytes, own.new_connections].map(|rate| rate.unwrap().per_second);
    assert_eq!(per_second, [9, 1024, 7]);
    assert_eq!(shield.limits.port.new_connections.unwrap().burst, 80);
}

#[test]
fn a_policy_judges_once() {
    let text = "listeners: [ { bind: ':80', policies: fair } ]
policies: { fair: { rate_limit: { rate: 10/s } } }
routes: [ { match: /a, policies: [ fair, { ip_list: { allow: 10.0.0.0/8 } } ], respond: {} } ]
";
    check(text, &["W0604 3:36 `fair` has judged at every listener already and does not judge again here"]);
    let plan = plan(text);
    let chain = plan.chains.of_route(crate::id::ListenerId(0), crate::id::RouteId(0)).unwrap();
    assert_eq!(chain.steps().iter().filter(|step| &*step.rule == "fair").count(), 1);
}

#[test]
fn b60_error_pages_are_read_and_bounded() {
    let text = "listeners: [ { bind: \":80\", error_pages: [ { status: [ 404, 5xx ], html: /p.html, json: /gone.json } ] } ]
routes: [ { match: /*, respond: { body: hello } } ]
";
    let mut files = Given::default();
    files.files.insert("/p.html".to_owned(), b"<p>{status}".to_vec());
    let missing = compiled(text, &files);
    assert_eq!(told(&missing.report), ["E0302 1:89 `/gone.json` cannot be read: there is no such file"]);
    files.files.insert("/gone.json".to_owned(), vec![b'x'; 256 * 1024 + 1]);
    let large = compiled(text, &files);
    assert_eq!(told(&large.report), ["E0302 1:89 `/gone.json` has 262145 bytes, and a page may have 262144"]);
    files.files.insert("/gone.json".to_owned(), b"{}".to_vec());
    let plan = compiled(text, &files).plan.unwrap();
    let pages = &plan.listeners[0].pages;
    assert!(
        pages.find(404).is_some_and(|page| page.html.is_some() && page.json.is_some() && page.text.is_none())
    );
    assert!(pages.find(503).is_some() && pages.find(403).is_none());
}
