//! What a plan costs: compiling and looking up routes at 10, 1,000 and 100,000 of them, and choosing targets by hash.
//!
//! `cargo bench -p weir-plan`. Every figure is the best of several rounds, because others may use the machine meanwhile.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a program that measures and prints"
)]

use std::fmt::Write;
use std::hint::black_box;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Instant;

use rustls_pki_types::{CertificateDer, UnixTime};
use weir_message::{Request, Scheme, uri};
use weir_plan::hash::{Cycle, Maglev, Place, Ring, Two, digest};
use weir_plan::id::ListenerId;
use weir_plan::router::Ask;
use weir_plan::{Files, Outside, Plan, compile};
use weir_schema::lookup::Fixed;
use weir_schema::{Config, Sources};

const ROUNDS: usize = 7;

fn main() {
    println!("routes      compile ms   find ns (hosts)   find ns (one host)");
    for count in [10, 1_000, 100_000] {
        let config = config(count, 20);
        let (compile_ms, plan) = best(3, || compiled(&config));
        let many = find_ns(&plan, count, 20);
        let (_, plan) = best(1, || compiled(&self::config(count, count)));
        let one = find_ns(&plan, count, count);
        println!("{count:7} {:14.1} {many:17.1} {one:20.1}", compile_ms / 1e6);
    }
    println!();
    println!(
        "Choosing a target, ns; Maglev 65,537 entries, ring 160 points a target, both with XXH3 of a 16-byte key"
    );
    println!(
        "beside them ns without hashing the key, the busiest target over the mean, and how long the table takes"
    );
    println!("   N   maglev (pick)  ring (pick)  round robin   two   maglev max/avg  ring max/avg  build ms");
    for count in [3, 10, 100, 1_000] {
        targets(count);
    }
    println!(
        "Maglev's paper (NSDI 2016, section 3.4): at most 1 % apart where a table has 100 entries for each target."
    );
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

/// The mean of finding every hundredth route at least and 1,000 at most, in a scattered order.
fn find_ns(plan: &Plan, count: usize, per_host: usize) -> f64 {
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
            request.begin(Scheme::Http, b"GET", format!("h{host}.example.com").as_bytes(), path.as_bytes());
            request.settle(uri::Rules::default()).expect("a plain request");
            request
        })
        .collect();
    let (ns, _) = best(ROUNDS, || {
        for request in &requests {
            let ask = Ask {
                request,
                listener: ListenerId(0),
                client: Ipv6Addr::LOCALHOST,
                sni: None,
                identity: None,
            };
            assert!(black_box(plan.router.find(&ask)).is_some(), "every request has its route");
        }
    });
    ns / requests.len() as f64
}

fn targets(count: usize) {
    let names: Vec<String> =
        (0..count).map(|target| format!("10.0.{}.{}:8080", target / 256, target % 256)).collect();
    let places: Vec<Place<'_>> = names.iter().map(|name| Place { name, weight: 1 }).collect();
    let (build_ns, maglev) = best(3, || Maglev::new(&places, Maglev::SIZE));
    let (ring, cycle, two) = (Ring::new(&places, 160), Cycle::new(&places), Two::new(&places));
    let whole = |pick: &dyn Fn(u64) -> Option<usize>| pick_ns(|step| pick(digest(&key(step))));
    let (maglev_key, ring_key) =
        (whole(&|hash| maglev.pick(hash, |_| true)), whole(&|hash| ring.pick(hash, |_| true)));
    let bare =
        |pick: &dyn Fn(u64) -> Option<usize>| pick_ns(|step| pick(step.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    println!(
        "{count:4} {maglev_key:7.1} ({:4.1}) {ring_key:7.1} ({:4.1}) {:10.1} {:8.1} {:13.3} {:13.3} {:10.1}",
        bare(&|hash| maglev.pick(hash, |_| true)),
        bare(&|hash| ring.pick(hash, |_| true)),
        pick_ns(|step| cycle.pick(step, |_| true)),
        bare(&|hash| two.pick(hash, |_| true, |target| u32::try_from(target).unwrap_or(0))),
        busiest(count, |hash| maglev.pick(hash, |_| true)),
        busiest(count, |hash| ring.pick(hash, |_| true)),
        build_ns / 1e6,
    );
}

/// A key as long as a user's id.
fn key(step: u64) -> [u8; 16] {
    (u128::from(step) << 64 | u128::from(step)).to_le_bytes()
}

fn pick_ns(pick: impl Fn(u64) -> Option<usize>) -> f64 {
    const PICKS: u64 = 1_000_000;
    let (ns, _) = best(ROUNDS, || {
        for step in 0..PICKS {
            black_box(pick(step));
        }
    });
    ns / PICKS as f64
}

fn busiest(count: usize, pick: impl Fn(u64) -> Option<usize>) -> f64 {
    let mut loads = vec![0_u32; count];
    for key in 0..2_000_000_u64 {
        loads[pick(digest(&key.to_le_bytes())).expect("a target")] += 1;
    }
    f64::from(loads.into_iter().max().unwrap_or(0)) * count as f64 / 2e6
}

/// The shortest time of several rounds in nanoseconds, and what the last one made.
fn best<T>(rounds: usize, work: impl Fn() -> T) -> (f64, T) {
    let mut shortest = f64::MAX;
    let mut last = None;
    for _ in 0..rounds {
        let start = Instant::now();
        let made = work();
        shortest = shortest.min(start.elapsed().as_nanos() as f64);
        last = Some(made);
    }
    (shortest, last.expect("at least one round"))
}
