//! Compiling and finding routes.

use std::fmt::Write;
use std::hint::black_box;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Instant;

use rustls_pki_types::{CertificateDer, UnixTime};
use weir_message::{Request, Scheme, uri};
use weir_plan::hash::digest;
use weir_plan::id::ListenerId;
use weir_plan::router::Ask;
use weir_plan::{Files, Outside, Plan, compile};
use weir_schema::lookup::Fixed;
use weir_schema::{Config, Sources};

use crate::best;
use crate::rows::Row;

const COUNTS: [usize; 3] = [10, 1_000, 100_000];
const ROUNDS: usize = 41;
/// Compiling the largest plan may take a second.
const COMPILE_MS_MAX: f64 = 1_000.0;
/// A look-up among very many routes may cost this much of one among few.
const GROWTH_MAX: f64 = 1.25;

/// Measures and prints; the rows are for reports.
pub(crate) fn run() -> Vec<Row> {
    println!("routes      compile ms   find ns (20 to a host)   find ns (all on one host)");
    let mut compile_ms = Vec::new();
    let (mut many, mut one) = (Vec::new(), Vec::new());
    for count in COUNTS {
        let config = config(count, 20);
        let (ns, plan) = best(5, || compiled(&config));
        compile_ms.push(ns / 1e6);
        many.push(Case::new(plan, count, 20));
        let (_, plan) = best(1, || compiled(&self::config(count, count)));
        one.push(Case::new(plan, count, count));
    }
    for _ in 0..ROUNDS {
        many.iter_mut().chain(&mut one).for_each(Case::round);
    }
    for (place, count) in COUNTS.iter().enumerate() {
        println!("{count:7} {:14.1} {:24.1} {:27.1}", compile_ms[place], many[place].ns(), one[place].ns());
    }
    let growth = |what: &str, cases: &[Case]| {
        Row {
        id: "P16",
        what: format!("finding one of 100,000 routes, {what}"),
        unit: "ns",
        ours: cases[2].ns(),
        peer: Some((cases[0].ns(), "10 routes")),
        spread: cases[2].spread(),
        goal: Some(GROWTH_MAX),
        note: "least of 41 rounds over 1,000 requests to routes far apart, taking turns with the other sizes, caches warmed by one pass".to_owned(),
    }
    };
    let compile = Row {
        id: "P16",
        what: "compiling 100,000 routes".to_owned(),
        unit: "ms",
        ours: compile_ms[2],
        peer: None,
        spread: 0.0,
        goal: Some(COMPILE_MS_MAX),
        note: "least of 5, one core, without reading the YAML".to_owned(),
    };
    vec![compile, growth("20 to a host", &many), growth("all on one host", &one)]
}

/// A plan, requests that its routes answer, and how long finding them took in each round.
struct Case {
    plan: Plan,
    requests: Vec<Request>,
    rounds_ns: Vec<f64>,
}

impl Case {
    /// Requests for every hundredth route at least and 1,000 at most, in a scattered order.
    fn new(plan: Plan, count: usize, per_host: usize) -> Self {
        let requests: Vec<Request> = (0..1_000)
            .map(|step| {
                let number = usize::try_from(digest(&u64::to_le_bytes(step)) % count as u64).expect("small");
                let (host, path) = (number / per_host, number % per_host);
                let path = match path % 4 {
                    0 => format!("/v1/orders{path}/17/items"),
                    1 => format!("/v1/exact/{path}"),
                    2 => format!("/v2/users{path}/4711/posts"),
                    _ => format!("/static{path}/js/app.js"),
                };
                let mut request = Request::default();
                request.begin(
                    Scheme::Http,
                    b"GET",
                    format!("h{host}.example.com").as_bytes(),
                    path.as_bytes(),
                );
                request.settle(uri::Rules::default()).expect("a plain request");
                request
            })
            .collect();
        Self { plan, requests, rounds_ns: Vec::new() }
    }

    /// Once to warm the caches, once for the clock.
    fn round(&mut self) {
        self.find_all();
        let start = Instant::now();
        self.find_all();
        self.rounds_ns.push(start.elapsed().as_nanos() as f64 / self.requests.len() as f64);
    }

    fn find_all(&self) {
        for request in &self.requests {
            let (listener, client) = (ListenerId(0), Ipv6Addr::LOCALHOST);
            let ask = Ask { request, listener, client, sni: None, identity: None };
            assert!(black_box(self.plan.router.find(&ask)).is_some(), "every request has its route");
        }
    }

    fn ns(&self) -> f64 {
        self.rounds_ns.iter().copied().fold(f64::MAX, f64::min)
    }

    /// How far the middle half of the rounds reaches.
    fn spread(&self) -> f64 {
        let mut sorted = self.rounds_ns.clone();
        sorted.sort_by(f64::total_cmp);
        (sorted[sorted.len() * 3 / 4] - sorted[sorted.len() / 4]) / 2.0 / self.ns()
    }
}

struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _path: &str) -> Result<Vec<u8>, String> {
        Err("none".to_owned())
    }

    fn roots(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        Err("none".to_owned())
    }
}

/// Routes of four kinds, so many to a host.
fn config(count: usize, per_host: usize) -> Arc<Config> {
    let mut text = "version: 1\nshield: { mode: off }\nlisteners: [ { bind: ':80' } ]\nupstreams: { a: { targets: [ 10.0.0.1:80 ] } }\nroutes:\n".to_owned();
    for number in 0..count {
        let (host, path) = (number / per_host, number % per_host);
        let path = match path % 4 {
            0 => format!("/v1/orders{path}/*"),
            1 => format!("/v1/exact/{path}"),
            2 => format!("/v2/users{path}/{{id}}/posts"),
            _ => format!("/static{path}/*"),
        };
        writeln!(text, "  - {{ match: {{ hosts: h{host}.example.com, path: '{path}' }}, upstream: a }}")
            .expect("memory");
    }
    let outcome = weir_schema::parse(&Sources::one("bench.yaml", text), &Fixed::default());
    Arc::new(outcome.into_result().expect("a configuration without faults").0)
}

fn compiled(config: &Arc<Config>) -> Plan {
    let outside =
        Outside { files: &NoFiles, now: UnixTime::since_unix_epoch(std::time::Duration::ZERO), before: None };
    compile(config, &outside).plan.expect("a plan")
}
