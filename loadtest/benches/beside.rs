//! This generator beside wrk and h2load at the same server: the throughput they find, and what a request costs each.
//!
//! The server has one core and each client another, pinned alike; they take turns in many short rounds, in one order and then in
//! the other, so that what others do on the machine falls on all. A figure is the middle of the ratios of the rounds, with the
//! range in which the true middle lies in 95 of 100 cases. It ends with an error if a request costs this generator more than 1.3
//! of what it costs wrk, or if its throughput is surely another than that of wrk or h2load: if all of the range is more than a
//! twentieth away from theirs.
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
/// Rounds, a second for each client; `--quick` does fewer.
const ROUNDS: usize = 25;
const QUICK: usize = 7;

/// nginx, which answers 13 bytes over HTTP/1.1 and, at the next port, over HTTP/2.
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
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 0123456789abc; }} }}
  server {{ listen 127.0.0.1:{} http2 backlog=4096; location / {{ return 200 0123456789abc; }} }}
}}",
            port + 1
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

const NAMES: [&str; 5] = [
    "wrk, HTTP/1.1",
    "h2load, HTTP/1.1",
    "weir-loadtest, HTTP/1.1",
    "h2load, HTTP/2",
    "weir-loadtest, HTTP/2",
];

/// Every client has its turn in every round.
fn rounds(server: &Server, folder: &Path) -> [Vec<Turn>; 5] {
    let (h1, h2) = (server.1, server.1 + 1);
    let url = |port: u16| format!("http://127.0.0.1:{port}/bytes/13");
    let h2load = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("finished in"))?;
        line.split(", ").find_map(|part| part.strip_suffix(" req/s"))?.parse().ok()
    };
    let (many, streams) = (
        "load: { closed: { connections: 64 } }\n",
        "load: { closed: { connections: 4, streams: 64 } }\nclient: { protocol: h2 }\n",
    );
    let one = |client: usize| match client {
        0 => turn(server, &format!("wrk -t1 -c64 -d1s {}", url(h1)), |text| after(text, "Requests/sec:")),
        1 => turn(server, &format!("h2load --h1 -t1 -c64 -D1 {}", url(h1)), h2load),
        2 => ours(server, folder, h1, many),
        3 => turn(server, &format!("h2load -t1 -c4 -m64 -D1 {}", url(h2)), h2load),
        _ => ours(server, folder, h2, streams),
    };
    let quick = std::env::args().any(|argument| argument == "--quick");
    let mut turns: [Vec<Turn>; 5] = Default::default();
    for round in 0..if quick { QUICK } else { ROUNDS } {
        let last = turns.len() - 1;
        for place in 0..=last {
            let client = if round % 2 == 0 { place } else { last - place };
            turns[client].push(one(client));
        }
    }
    turns
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
    for (name, turns) in NAMES.iter().zip(&turns) {
        let of = |figure: fn(&Turn) -> f64| middle(turns.iter().map(figure).collect()).0;
        let (throughput, cost) = (of(|turn| turn.throughput), of(|turn| turn.cost_us));
        let share = 100.0 * of(|turn| turn.server_share);
        println!("{name:<28}{throughput:>12.0}{cost:>13.2} µs{share:>14.0} %");
    }
    let ratio = |one: usize, other: usize, of: fn(&Turn) -> f64| {
        middle(turns[one].iter().zip(&turns[other]).map(|(a, b)| of(a) / of(b)).collect())
    };
    let mut others = Vec::new();
    for (what, one, other) in
        [("wrk's", 2, 0), ("h2load's over HTTP/1.1", 2, 1), ("h2load's over HTTP/2", 4, 3)]
    {
        let (throughput, cost) =
            (ratio(one, other, |turn| turn.throughput), ratio(one, other, |turn| turn.cost_us));
        let (middle, low, high) = throughput;
        let is_other = high < 1.0 - SAME || low > 1.0 + SAME;
        let verdict = match high - low {
            _ if is_other => "another",
            range if range > NOISY => "not decided, the rounds lie too far apart",
            _ => "the same within noise",
        };
        println!("throughput {middle:.2} of {what} ({low:.2} to {high:.2}): {verdict}; CPU {:.2}", cost.0);
        if is_other {
            others.push(what);
        }
    }
    let cost = ratio(2, 0, |turn| turn.cost_us).0;
    assert!(cost <= COST_MAX, "a request costs {cost:.2} of what it costs wrk; {COST_MAX} is the most");
    assert!(others.is_empty(), "the throughput is another than {}", others.join(" and "));
}
