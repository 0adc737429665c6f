//! What each policy adds to a request, and a chain of eight. `GLIBC_TUNABLES=glibc.malloc.hugetlb=1` lays the tables in
//! pages of two megabytes.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and if it cannot be set up it says where"
)]
#[path = "measure.rs"]
mod measure;

use measure::{Goals, in_turns, row};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use weir_message::{Request, Response, Scheme};
use weir_policy::{
    Chain, Client, Consumer, Credentials, End, Flow, IpList, KeyAuth, Leave, Library, Link, Now, Pass, Place,
    Step, Visit, Worker,
};
use weir_schema::{Report, Sources, lookup::Anything, parse};

/// One request that is judged again and again, and brought back to what it was each time.
struct Bench {
    request: Request,
    response: Response,
    client: Client,
    worker: Worker,
    pass: Pass,
    now: Now,
    consumer: Arc<Consumer>,
}

impl Bench {
    fn new() -> Bench {
        let consumer =
            Consumer { name: "mobile".into(), groups: vec!["premium".into()], ..Consumer::default() };
        Bench {
            request: Request::default(),
            response: Response::default(),
            client: Client::direct(IpAddr::from([192, 0, 2, 1])),
            worker: Worker::default(),
            pass: Pass::default(),
            now: Now { wall_ms: 1_700_000_000_000, mono_ns: 1 << 40 },
            consumer: Arc::new(consumer),
        }
    }

    fn reset(&mut self) {
        self.request.begin(Scheme::Https, b"GET", b"api.example.com", b"/v1/orders/7?a=1");
        for (name, value) in [
            ("User-Agent", &b"curl/8.5.0"[..]),
            ("Accept", b"*/*"),
            ("Origin", b"https://app.example.com"),
            ("X-API-Key", b"0123456789abcdef0123456789abcdef"),
            ("Cookie", b"sid=0123456789abcdef; theme=dark"),
        ] {
            self.request.head.append(name, value).unwrap();
        }
        self.request.settle(weir_message::uri::Rules::default()).unwrap();
        self.response.begin(200);
        self.response.head.append("Content-Type", b"application/json").unwrap();
        self.pass.clear();
        self.pass.identity.consumer = Some(Arc::clone(&self.consumer));
    }

    fn judge(&mut self, chain: &Chain) {
        self.reset();
        let Bench { request, response, client, worker, pass, now, .. } = self;
        let (route, now) = ("orders", *now);
        let flow = chain.request(&mut Visit { request, client, route, now, worker, pass });
        assert!(matches!(black_box(flow), Flow::Next));
        chain.response(&mut Leave { request, response, client, route, now, worker, pass });
        chain.finish(&mut End { status: 200, now, pass });
    }
}

/// A chain as it would be configured.
fn chain(policies: &str) -> Chain {
    let text = format!(
        "version: 1\nlisteners: [ {{ bind: \":80\" }} ]\nroutes: [ {{ match: a.example/*, policies: [ {policies} ], respond: {{ status: 204 }} }} ]\n"
    );
    let config = Arc::new(parse(&Sources::one("bench.yaml", text), &Anything).config.unwrap());
    let mut report = Report::default();
    let files = |_: &str| Err("no files here".to_owned());
    let mut library = Library::new(&config, None, &files, &mut report);
    let chain = library.chain("r", &config.routes[0].value.policies, &files, &mut report);
    assert!(!report.has_errors(), "{report:?}");
    chain
}

fn step(link: Link) -> Chain {
    Chain::new(vec![Arc::new(Step { rule: "bench".into(), link, observe: false })])
}

fn keys() -> Chain {
    let mut credentials = Credentials::default();
    let consumer = Consumer { name: "mobile".into(), ..Consumer::default() };
    credentials.insert("0123456789abcdef0123456789abcdef", Arc::new(consumer));
    step(Link::KeyAuth(Arc::new(KeyAuth::new(
        Arc::new(credentials),
        vec![Place::Header("X-API-Key".into())],
    ))))
}

fn ten_thousand_networks() -> Chain {
    let network = |n: u32| {
        ipnet::IpNet::new(Ipv4Addr::from(n.wrapping_mul(0x9e37_79b9) | 1 << 31).into(), 24).unwrap().trunc()
    };
    step(Link::IpList(Arc::new(IpList::new(&[], &(0..10_000).map(network).collect::<Vec<_>>()))))
}

const LIMIT: &str = "{ rate_limit: { rate: 1000000/s burst 1000000, headers: none } }";
const EIGHT: &str = "{ verdicts: { score: { bad_token: 5 } } }, request_id, { cors: { origins: https://app.example.com } }, \
    { ip_list: { deny: [ 203.0.113.0/24, 198.51.100.0/24 ] } }, { size_limit: { body: 1MiB } }, { acl: { allow: premium } }, \
    { rate_limit: { rate: 1000000/s burst 1000000 } }, \
    { headers: { request: { set: { X-Tenant: \"{consumer.name}\" } }, response: { remove: Server } } }";

fn each(bench: &mut Bench, empty_ns: f64) {
    for (name, chain) in [
        ("acl", chain("{ acl: { allow: premium } }")),
        ("ip_list of 10,000 networks", ten_thousand_networks()),
        ("size_limit", chain("{ size_limit: { body: 1MiB } }")),
        ("cors", chain("{ cors: { origins: https://app.example.com } }")),
        ("request_id", chain("request_id")),
        ("headers, one set", chain("{ headers: { request: { set: { X-Tenant: \"{consumer.name}\" } } } }")),
        ("rate_limit, one key, no fields", chain(LIMIT)),
        (
            "rate_limit, two windows, fields",
            chain("{ rate_limit: { windows: { second: 1000000, minute: 1000000 } } }"),
        ),
        ("verdicts", chain("{ verdicts: { score: { bad_token: 5 } } }")),
        ("key_auth", keys()),
    ] {
        let times = in_turns(&mut [(name, &mut || bench.judge(&chain))]);
        row(name, &times[0], &format!("adds {:.1} ns", times[0].best_ns - empty_ns));
    }
}

/// A number that no cache of the processor foresees (Knuth's MMIX).
fn next(at: u64) -> u64 {
    at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)
}

/// As much memory as the counters of a million keys lie in.
const LINES: usize = 500_000;
type Lines = [[AtomicU64; 8]];

/// What one change at a random place of such memory costs beside making a request: less no table in memory can take,
/// whatever it does. Without foresight, and with the line asked for before the request is made.
fn floors(lines: &Lines) -> [f64; 2] {
    let places = |mut at: u64| {
        move || {
            at = next(at);
            &lines[(at >> 33) as usize % LINES][0]
        }
    };
    let change = |counter: &AtomicU64| {
        let old = counter.load(Relaxed);
        let _alone = black_box(counter.compare_exchange(old, old + 1, Relaxed, Relaxed));
    };
    let (mut one, mut two, mut three) = (Bench::new(), Bench::new(), Bench::new());
    let (mut place, mut ahead) = (places(1), places(2));
    let times = in_turns(&mut [
        ("request", &mut || one.reset()),
        ("request, change", &mut || {
            two.reset();
            change(place());
        }),
        ("foresee, request, change", &mut || {
            let place = ahead();
            weir_reactor::foresee(place);
            three.reset();
            change(place);
        }),
    ]);
    let added = [1, 2].map(|case| times[case].best_ns - times[0].best_ns);
    row("one random line of 32 MB, bare", &times[1], &format!("adds {:.1} ns", added[0]));
    row("the same, foreseen", &times[2], &format!("adds {:.1} ns: the floor of a million keys", added[1]));
    added
}

/// Every look-up is for another of a million clients, and foreseen as the proxy does it: before it looks for a route.
fn million_keys(bench: &mut Bench, empty_ns: f64, goals: &mut Goals) {
    let limit = chain(LIMIT);
    let address = |n: u32| Client::direct(IpAddr::V4(Ipv4Addr::from(0x0a00_0000 | n)));
    for n in 0..1_000_000 {
        bench.client = address(n);
        bench.judge(&limit);
    }
    let Link::RateLimit(counted) = &limit.steps()[0].link else { return };
    let clients = |mut at: u64| {
        move |bench: &mut Bench| {
            at = next(at);
            bench.client = address(u32::try_from((at >> 33) % 1_000_000).unwrap());
        }
    };
    let (mut foreseen, mut unforeseen, mut uncounted) = (clients(1), clients(2), clients(3));
    let (mut late, mut other) = (Bench::new(), Bench::new());
    let nothing = Chain::default();
    let times = in_turns(&mut [
        ("foreseen", &mut || {
            foreseen(bench);
            counted.places(&bench.client).for_each(weir_reactor::foresee);
            bench.judge(&limit);
        }),
        ("limit", &mut || {
            unforeseen(&mut late);
            late.judge(&limit);
        }),
        ("nothing", &mut || {
            uncounted(&mut other);
            other.judge(&nothing);
        }),
    ]);
    let [added, unforeseen] = [0, 1].map(|case| times[case].best_ns - times[2].best_ns);
    let beside = |added: f64| format!("adds {added:.1} ns (empty chain {empty_ns:.1})");
    row("rate_limit, a million keys, not foreseen", &times[1], &beside(unforeseen));
    row("rate_limit, a million keys", &times[0], &beside(added));
    let lines: Vec<[AtomicU64; 8]> =
        std::iter::repeat_with(|| std::array::from_fn(|_| AtomicU64::new(1))).take(LINES).collect();
    goals.floor_ns = Some(floors(&lines)[1]);
    goals.judge(("L1", "rate limit, one of a million keys", "ns"), added, None, 60.0);
}

fn main() {
    let mut bench = Bench::new();
    let nothing = Chain::default();
    let empty = in_turns(&mut [("empty", &mut || bench.judge(&nothing))]);
    row("an empty chain, with making the request", &empty[0], "");
    let empty_ns = empty[0].best_ns;
    each(&mut bench, empty_ns);
    let eight = chain(EIGHT);
    assert_eq!(eight.steps().len(), 8);
    let mut other = Bench::new();
    let times =
        in_turns(&mut [("eight", &mut || bench.judge(&eight)), ("empty", &mut || other.judge(&nothing))]);
    let added = times[0].best_ns - times[1].best_ns;
    row("a chain of eight without cryptography", &times[0], &format!("adds {added:.1} ns"));
    let mut goals = Goals::default();
    goals.judge(("L2", "a chain of eight without cryptography", "ns"), added, None, 400.0);
    million_keys(&mut bench, empty_ns, &mut goals);
    goals.write("policy.json");
}
