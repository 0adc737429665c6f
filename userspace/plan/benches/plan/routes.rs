//! Compiling and finding routes.

use std::collections::HashMap;
use std::fmt::Write;
use std::hint::black_box;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Instant;

use rustls_pki_types::{CertificateDer, UnixTime};
use weir_message::{Request, Scheme, uri};
use weir_plan::hash::digest;
use weir_plan::id::ListenerId;
use weir_plan::route::Route;
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
    println!("            compile     20 to a host              all on one host");
    println!("   routes        ms     find ns  bare hash ns     find ns  bare hash ns");
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
        let [many, one] =
            [&many[place], &one[place]].map(|case| (least(&case.find_ns), least(&case.bare_ns)));
        println!(
            "{count:9} {:9.1} {:11.1} {:13.1} {:11.1} {:13.1}",
            compile_ms[place], many.0, many.1, one.0, one.1
        );
    }
    let compile = Row {
        id: "P16",
        what: "compiling 100,000 routes".to_owned(),
        unit: "ms",
        ours: compile_ms[2],
        peer: None,
        spread: 0.0,
        floor: None,
        goal: Some(COMPILE_MS_MAX),
        note: "least of 5, one core, without reading the YAML".to_owned(),
    };
    let rows =
        [compile].into_iter().chain(growth("20 to a host", &many)).chain(growth("all on one host", &one));
    rows.collect()
}

/// How the cost of a look-up grows with the number of routes, beside that of the least that a look-up can be.
fn growth(what: &str, cases: &[Case]) -> [Row; 2] {
    let (few, very_many) = (&cases[0], &cases[2]);
    let bare = least(&very_many.bare_ns);
    let row = |what: String, [few, very_many]: [&[f64]; 2], goal, note: &str| Row {
        id: "P16",
        what,
        unit: "ns",
        ours: least(very_many),
        peer: Some((least(few), "10 routes")),
        spread: spread(very_many),
        floor: Some(bare),
        goal,
        note: note.to_owned(),
    };
    [
        row(
            format!("finding one of 100,000 routes, {what}"),
            [&few.find_ns, &very_many.find_ns],
            Some(GROWTH_MAX),
            "least of 41 rounds over 1,000 requests to routes far apart, taking turns with the other sizes, caches warmed by one pass; the floor is the row of the bare table",
        ),
        row(
            format!("one of 100,000 keys in a bare hash table, {what}"),
            [&few.bare_ns, &very_many.bare_ns],
            None,
            "the same requests in the same rounds: host and path, cut to what the route names, as one key in a table of the standard library that yields the route; it grows by what the memory costs that no look-up can leave out",
        ),
    ]
}

/// A plan, requests that its routes answer, and how long finding them took in each round.
struct Case {
    plan: Plan,
    requests: Vec<Request>,
    find_ns: Vec<f64>,
    /// Routes by host and path, and what to look up for each request.
    bare: HashMap<String, Arc<Route>>,
    keys: Vec<String>,
    bare_ns: Vec<f64>,
}

impl Case {
    /// Requests for every hundredth route at least and 1,000 at most, in a scattered order.
    fn new(plan: Plan, count: usize, per_host: usize) -> Self {
        let numbers = (0..1_000_u64)
            .map(|step| usize::try_from(digest(&step.to_le_bytes()) % count as u64).expect("small"));
        let numbers: Vec<usize> = numbers.collect();
        let key = |number: usize| {
            let (host, path) = (number / per_host, number % per_host);
            let path = match path % 4 {
                0 => format!("/v1/orders{path}"),
                1 => format!("/v1/exact/{path}"),
                2 => format!("/v2/users{path}"),
                _ => format!("/static{path}"),
            };
            [format!("h{host}.example.com"), path]
        };
        let request = |number: &usize| {
            let ([host, path], rest) = (key(*number), ["/17/items", "", "/4711/posts", "/js/app.js"]);
            let path = path + rest[number % per_host % 4];
            let mut request = Request::default();
            request.begin(Scheme::Http, b"GET", host.as_bytes(), path.as_bytes());
            request.settle(uri::Rules::default()).expect("a plain request");
            request
        };
        let route = |number: usize| Arc::clone(&plan.router.rules()[number].route);
        let bare = (0..count).map(|number| (key(number).concat(), route(number))).collect();
        let keys = numbers.iter().map(|number| key(*number).concat()).collect();
        let requests = numbers.iter().map(request).collect();
        Self { plan, requests, find_ns: Vec::new(), bare, keys, bare_ns: Vec::new() }
    }

    /// Both once to warm the caches, then once for the clock.
    fn round(&mut self) {
        let each_ns = |work: &dyn Fn()| {
            work();
            let start = Instant::now();
            work();
            start.elapsed().as_nanos() as f64 / self.requests.len() as f64
        };
        let (find_ns, bare_ns) = (each_ns(&|| self.find_all()), each_ns(&|| self.look_all_up()));
        self.find_ns.push(find_ns);
        self.bare_ns.push(bare_ns);
    }

    fn find_all(&self) {
        for request in &self.requests {
            let (listener, client) = (ListenerId(0), Ipv6Addr::LOCALHOST);
            let ask = Ask { request, listener, client, sni: None, identity: None };
            assert!(black_box(self.plan.router.find(&ask)).is_some(), "every request has its route");
        }
    }

    fn look_all_up(&self) {
        for key in &self.keys {
            assert!(black_box(self.bare.get(key)).is_some(), "every key is there");
        }
    }
}

fn least(rounds_ns: &[f64]) -> f64 {
    rounds_ns.iter().copied().fold(f64::MAX, f64::min)
}

/// How far the middle half of the rounds reaches.
fn spread(rounds_ns: &[f64]) -> f64 {
    let mut sorted = rounds_ns.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted[sorted.len() * 3 / 4] - sorted[sorted.len() / 4]) / 2.0 / least(rounds_ns)
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
