//! This generator beside wrk and h2load at the same server: the throughput they find, and what a request costs each.
//!
//! The server has one core and the clients another; they take turns. It ends with an error if a request costs this generator
//! more than 1.3 of what it costs wrk.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
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
const ROUNDS: usize = 7;

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

impl Drop for Server {
    fn drop(&mut self) {
        Command::new("kill").arg(self.0.id().to_string()).status().ok();
        self.0.wait().ok();
    }
}

/// One turn of a client: answers a second, and microseconds of its own CPU for each.
struct Turn {
    throughput: f64,
    cost_us: f64,
}

/// Runs a client on the other core; `throughput` finds the answers a second in what it prints.
fn turn(words: &str, throughput: impl Fn(&str) -> Option<f64>) -> Turn {
    let spent = || {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
        (usage.user_time() + usage.system_time()).num_microseconds() as f64
    };
    let before = spent();
    let mut command = Command::new("taskset");
    let output = command.args(["-c", "1"]).args(words.split(' ')).stderr(Stdio::inherit()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let found = throughput(&text).unwrap_or_else(|| panic!("{words}: {text}"));
    Turn { throughput: found, cost_us: (spent() - before) / found }
}

/// The number behind a word.
fn after(text: &str, word: &str) -> Option<f64> {
    text.split_once(word)?.1.split_whitespace().next()?.trim_end_matches(',').parse().ok()
}

fn ours(folder: &Path, port: u16, rest: &str) -> Turn {
    let scenario = folder.join("beside.yaml");
    let text = format!(
        "version: 1\nname: beside\nwhat: beside others\ntarget: http://127.0.0.1:{port}\nrounds: 1\nwarm_up: 0s\nduration: 1s\nthresholds: {{ errors: 0 }}\n{rest}"
    );
    std::fs::write(&scenario, text).unwrap();
    let program = env!("CARGO_BIN_EXE_weir-loadtest");
    let report = folder.join("beside/report.json");
    turn(&format!("{program} run {} --out {}", scenario.display(), folder.display()), |_| {
        let text = std::fs::read_to_string(&report).ok()?;
        let report: serde_json::Value = serde_json::from_str(&text).ok()?;
        report["subjects"][0]["throughput"].as_f64()
    })
}

fn median(turns: &[Turn], of: impl Fn(&Turn) -> f64) -> f64 {
    let mut values: Vec<f64> = turns.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
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
    let (h1, h2) = (server.1, server.1 + 1);
    let mut turns: [Vec<Turn>; 5] = Default::default();
    for _ in 0..ROUNDS {
        let url = |port: u16| format!("http://127.0.0.1:{port}/bytes/13");
        let h2load = |text: &str| {
            let line = text.lines().find(|line| line.starts_with("finished in"))?;
            line.split(", ").find_map(|part| part.strip_suffix(" req/s"))?.parse().ok()
        };
        let load = "load: { closed: { connections: 64 } }\n";
        turns[0].push(turn(&format!("wrk -t1 -c64 -d1s {}", url(h1)), |text| after(text, "Requests/sec:")));
        turns[1].push(turn(&format!("h2load --h1 -t1 -c64 -D1 {}", url(h1)), h2load));
        turns[2].push(ours(folder.path(), h1, load));
        turns[3].push(turn(&format!("h2load -t1 -c4 -m64 -D1 {}", url(h2)), h2load));
        let load = "load: { closed: { connections: 4, streams: 64 } }\nclient: { protocol: h2 }\n";
        turns[4].push(ours(folder.path(), h2, load));
    }
    println!("{:<28}{:>12}{:>16}", "client", "answers/s", "CPU of client");
    let names = [
        "wrk, HTTP/1.1",
        "h2load, HTTP/1.1",
        "weir-loadtest, HTTP/1.1",
        "h2load, HTTP/2",
        "weir-loadtest, HTTP/2",
    ];
    for (name, turns) in names.iter().zip(&turns) {
        let (throughput, cost) = (median(turns, |turn| turn.throughput), median(turns, |turn| turn.cost_us));
        println!("{name:<28}{throughput:>12.0}{cost:>13.2} µs");
    }
    let ratio = |one: usize, other: usize, of: fn(&Turn) -> f64| {
        let mut ratios: Vec<f64> = turns[one].iter().zip(&turns[other]).map(|(a, b)| of(a) / of(b)).collect();
        ratios.sort_by(f64::total_cmp);
        (ratios[ratios.len() / 2], ratios[0], ratios[ratios.len() - 1])
    };
    for (what, one, other) in
        [("of wrk's", 2, 0), ("of h2load's over HTTP/1.1", 2, 1), ("of h2load's over HTTP/2", 4, 3)]
    {
        let (throughput, cost) =
            (ratio(one, other, |turn| turn.throughput), ratio(one, other, |turn| turn.cost_us));
        println!(
            "throughput {:.2} ({:.2} to {:.2}), CPU {:.2} {what}",
            throughput.0, throughput.1, throughput.2, cost.0
        );
    }
    let cost = ratio(2, 0, |turn| turn.cost_us).0;
    assert!(cost <= COST_MAX, "a request costs {cost:.2} of what it costs wrk; {COST_MAX} is the most");
}
