//! This generator beside wrk and h2load at the same server: the throughput they find, and what a request costs each.
//!
//! The server has one core and each client another, pinned alike; they take turns in many short rounds, in one order and then in
//! the other, so that what others do on the machine falls on all. A figure is the middle of the ratios of the rounds, with the
//! range in which the true middle lies in 95 of 100 cases.
//!
//! What a request costs a client is measured at a server that answers as fast as it can. Throughput is compared at one with more
//! to do: where the client is the limit, each finds its own. It ends with an error if a request costs this generator more than
//! 1.3 of what it costs wrk, or if its throughput is surely another than that of wrk or h2load: if all of the range is more than
//! a twentieth away from theirs.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    missing_docs,
    reason = "a bench prints, ends where it cannot go on, and has no users"
)]

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What a request may cost, in what it costs wrk.
const COST_MAX: f64 = 1.3;
/// Throughputs are the same up to this share.
const SAME: f64 = 0.05;
/// With a wider range nothing can be said.
const NOISY: f64 = 0.2;
/// A server that leaves more of its core free than this is not the limit, and nothing can be said either.
const BUSY: f64 = 0.85;
/// Rounds, a second for each client; `--quick` does fewer.
const ROUNDS: usize = 19;
const QUICK: usize = 7;

/// nginx. At its first port it answers 13 bytes at once; at the two that follow, over HTTP/1.1 and HTTP/2, it asks itself for them.
struct Server(Child, u16);

impl Server {
    fn start(folder: &Path) -> Self {
        let port = 20_000 + u16::try_from(std::process::id() % 20_000).unwrap();
        let at = folder.display();
        let config = format!(
            "worker_processes 1; daemon off; pid {at}/pid; error_log {at}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; default_type text/plain; keepalive_requests 1000000000; http2_max_requests 1000000000;
  upstream itself {{ server 127.0.0.1:{port}; keepalive 512; keepalive_requests 1000000000; }}
  proxy_http_version 1.1; proxy_set_header Connection '';
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 0123456789abc; }} }}
  server {{ listen 127.0.0.1:{} backlog=4096; location / {{ proxy_pass http://itself; }} }}
  server {{ listen 127.0.0.1:{} http2 backlog=4096; location / {{ proxy_pass http://itself; }} }}
}}",
            port + 1,
            port + 2
        );
        std::fs::write(folder.join("nginx.conf"), config).unwrap();
        let mut command = Command::new("taskset");
        command.args(["-c", "0", "nginx", "-c"]).arg(folder.join("nginx.conf"));
        let server = Self(command.spawn().unwrap(), port);
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "nginx does not listen");
            std::thread::park_timeout(Duration::from_millis(20));
        }
        server
    }
}

impl Server {
    /// The CPU time that its processes have used.
    fn cpu(&self) -> Duration {
        let own = self.0.id();
        let workers = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap();
        let ns = |process: &str| -> u64 {
            let text = std::fs::read_to_string(format!("/proc/{process}/schedstat")).unwrap();
            text.split(' ').next().unwrap().parse().unwrap()
        };
        Duration::from_nanos(workers.split_whitespace().map(ns).sum::<u64>() + ns(&own.to_string()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        Command::new("kill").arg(self.0.id().to_string()).status().ok();
        self.0.wait().ok();
    }
}

/// One turn of a client: answers a second, microseconds of its own CPU for each, and how much of its core the server used.
struct Turn {
    throughput: f64,
    cost_us: f64,
    server_share: f64,
}

/// Runs a client on the other core; `throughput` finds the answers a second in what it prints.
fn turn(server: &Server, words: &str, throughput: impl Fn(&str) -> Option<f64>) -> Turn {
    let spent_us = || {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
        (usage.user_time() + usage.system_time()).num_microseconds() as f64
    };
    let (spent, served, begun) = (spent_us(), server.cpu(), Instant::now());
    let mut command = Command::new("taskset");
    let output = command.args(["-c", "1"]).args(words.split(' ')).stderr(Stdio::inherit()).output().unwrap();
    let server_share = (server.cpu() - served).as_secs_f64() / begun.elapsed().as_secs_f64();
    let text = String::from_utf8(output.stdout).unwrap();
    let found = throughput(&text).unwrap_or_else(|| panic!("{words}: {text}"));
    Turn { throughput: found, cost_us: (spent_us() - spent) / found, server_share }
}

/// The number behind a word.
fn after(text: &str, word: &str) -> Option<f64> {
    text.split_once(word)?.1.split_whitespace().next()?.trim_end_matches(',').parse().ok()
}

fn ours(server: &Server, folder: &Path, port: u16, rest: &str) -> Turn {
    let scenario = folder.join("beside.yaml");
    let text = format!(
        "version: 1\nname: beside\nwhat: beside others\ntarget: http://127.0.0.1:{port}\nrounds: 1\nwarm_up: 0s\nduration: 1s\nthresholds: {{ errors: 0 }}\n{rest}"
    );
    std::fs::write(&scenario, text).unwrap();
    let program = env!("CARGO_BIN_EXE_weir-loadtest");
    let report = folder.join("beside/report.json");
    turn(server, &format!("{program} run {} --out {}", scenario.display(), folder.display()), |_| {
        let text = std::fs::read_to_string(&report).ok()?;
        let report: serde_json::Value = serde_json::from_str(&text).ok()?;
        report["subjects"][0]["throughput"].as_f64()
    })
}

/// The middle of figures, and the range in which the true middle lies in 95 of 100 cases, by the ranks that a fair coin would
/// hardly leave.
fn middle(mut figures: Vec<f64>) -> (f64, f64, f64) {
    figures.sort_by(f64::total_cmp);
    let (last, half) = (figures.len() - 1, figures.len() / 2);
    let away = (0.98 * (figures.len() as f64).sqrt()).ceil() as usize;
    (figures[half], figures[half.saturating_sub(away)], figures[(half + away).min(last)])
}

const CLIENTS: [&str; 7] = [
    "wrk, at once",
    "weir-loadtest, at once",
    "wrk",
    "h2load",
    "weir-loadtest",
    "h2load, HTTP/2",
    "weir-loadtest, HTTP/2",
];

/// Every client has its turn in every round.
fn rounds(server: &Server, folder: &Path) -> [Vec<Turn>; 7] {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let mut turns: [Vec<Turn>; 7] = Default::default();
    for round in 0..if quick { QUICK } else { ROUNDS } {
        let last = turns.len() - 1;
        for place in 0..=last {
            let client = if round % 2 == 0 { place } else { last - place };
            turns[client].push(one(server, folder, client));
        }
    }
    turns
}

fn one(server: &Server, folder: &Path, client: usize) -> Turn {
    let (at_once, h1, h2) = (server.1, server.1 + 1, server.1 + 2);
    let url = |port: u16| format!("http://127.0.0.1:{port}/bytes/13");
    let wrk =
        |port| turn(server, &format!("wrk -t1 -c64 -d1s {}", url(port)), |text| after(text, "Requests/sec:"));
    let h2load = |options: &str, port| {
        turn(server, &format!("h2load {options} -t1 -D1 {}", url(port)), |text: &str| {
            let line = text.lines().find(|line| line.starts_with("finished in"))?;
            line.split(", ").find_map(|part| part.strip_suffix(" req/s"))?.parse().ok()
        })
    };
    let (many, streams) = (
        "load: { closed: { connections: 64 } }\n",
        "load: { closed: { connections: 4, streams: 64 } }\nclient: { protocol: h2 }\n",
    );
    match client {
        0 => wrk(at_once),
        1 => ours(server, folder, at_once, many),
        2 => wrk(h1),
        3 => h2load("--h1 -c64", h1),
        4 => ours(server, folder, h1, many),
        5 => h2load("-c4 -m64", h2),
        _ => ours(server, folder, h2, streams),
    }
}

/// How the throughput of a client compares with that of another, and whether it is surely another.
fn compare(one: &[Turn], other: &[Turn]) -> (String, bool) {
    let ratios = one.iter().zip(other).map(|(one, other)| one.throughput / other.throughput);
    let (ratio, low, high) = middle(ratios.collect());
    let busy = [one, other].map(|turns| middle(turns.iter().map(|turn| turn.server_share).collect()).0);
    let is_limit = busy.iter().all(|share| *share >= BUSY);
    let is_other = is_limit && (high < 1.0 - SAME || low > 1.0 + SAME);
    let verdict = match high - low {
        _ if !is_limit => "not decided, the server was not the limit",
        _ if is_other => "another",
        range if range > NOISY => "not decided, the rounds lie too far apart",
        _ => "the same within noise",
    };
    (format!("{ratio:.2} ({low:.2} to {high:.2}): {verdict}"), is_other)
}

fn main() {
    for program in ["nginx", "wrk", "h2load"] {
        let known =
            Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if known.is_err() {
            return println!("skipped: {program} is missing; apt-get install nginx-light wrk nghttp2-client");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let turns = rounds(&server, folder.path());
    println!("{:<28}{:>12}{:>16}{:>16}", "client", "answers/s", "CPU of client", "server's core");
    for (name, turns) in CLIENTS.iter().zip(&turns) {
        let of = |figure: fn(&Turn) -> f64| middle(turns.iter().map(figure).collect()).0;
        let (throughput, cost) = (of(|turn| turn.throughput), of(|turn| turn.cost_us));
        let share = 100.0 * of(|turn| turn.server_share);
        println!("{name:<28}{throughput:>12.0}{cost:>13.2} µs{share:>14.0} %");
    }
    let mut others = Vec::new();
    for (what, own, other) in [("wrk's", 4, 2), ("h2load's", 4, 3), ("h2load's over HTTP/2", 6, 5)] {
        let (said, is_other) = compare(&turns[own], &turns[other]);
        println!("throughput beside {what}: {said}");
        others.extend(is_other.then_some(what));
    }
    let costs = turns[1].iter().zip(&turns[0]).map(|(own, wrk)| own.cost_us / wrk.cost_us);
    let (cost, low, high) = middle(costs.collect());
    println!("CPU of a request beside wrk's: {cost:.2} ({low:.2} to {high:.2}), {COST_MAX} is the most");
    assert!(cost <= COST_MAX, "a request costs {cost:.2} of what it costs wrk; {COST_MAX} is the most");
    assert!(others.is_empty(), "the throughput is another than {}", others.join(" and "));
}
