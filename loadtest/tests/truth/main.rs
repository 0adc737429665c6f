//! The client's own truth: against servers with scripted delays and stalls, the figures reported are those of the script.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test that cannot go on says where"
)]

mod server;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use server::Server;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

fn main() {
    let disabled = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
    let cannot = !matches!(disabled.trim(), "" | "0");
    let test = |name: &str, run: fn() -> Result<(), Failed>| {
        let kind = if cannot { "no io_uring (kernel.io_uring_disabled)" } else { "" };
        Trial::test(name, run).with_kind(kind).with_ignored_flag(cannot)
    };
    let tests = vec![
        test("percentiles_are_those_of_the_script", percentiles),
        test("a_stall_is_seen_by_an_open_loop_and_hidden_by_a_closed_one", stall),
        test("a_broken_threshold_ends_with_99", threshold),
        test("wrong_bytes_are_errors", wrong_bytes),
        test("the_report_keeps_its_shape_and_needs_no_network", shape),
        test("a_ramp_brings_as_many_as_its_mean_rate", ramp),
        test("the_warm_up_does_not_count", warm_up),
        test("requests_leave_as_independent_clients_come", arrivals),
        test("the_knee_is_where_the_server_cannot_follow", knee),
        test("a_target_with_tls_is_loaded_by_new_and_resumed_hands", secured),
        test("an_interrupted_run_leaves_a_partial_report", interrupted),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit();
}

/// Runs a scenario at a server; its exit code and report.
fn run(server: &Server, rest: &str) -> (i32, Value) {
    let folder = tempfile::tempdir().unwrap();
    let output = command(folder.path(), server, rest).output().unwrap();
    let report = std::fs::read_to_string(folder.path().join("truth/report.json"));
    let report = report.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap(), serde_json::from_str(&report).unwrap())
}

fn command(folder: &Path, server: &Server, rest: &str) -> Command {
    let scenario = folder.join("truth.yaml");
    let warm_up = if rest.contains("warm_up:") { "" } else { "warm_up: 0s\n" };
    let head = format!(
        "version: 1\nname: truth\nwhat: a script\ntarget: {}://{}\n{warm_up}rounds: 1\n",
        server.scheme(),
        server.address
    );
    std::fs::write(&scenario, head + rest).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir-loadtest"));
    command.arg("run").arg(&scenario).arg("--out").arg(folder).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn latency_ms(report: &Value, name: &str) -> f64 {
    report["subjects"][0]["latency_us"][name].as_f64().unwrap() / 1000.0
}

/// A figure of the report in milliseconds, and what it must be by the server's own record.
struct Figure {
    what: &'static str,
    found: f64,
    least: f64,
}

/// Every figure is within 1 % of the server's record, in one of a few attempts. A busy machine makes a client read an
/// answer late, which the server cannot see; nothing makes it read one early, so that is wrong in any attempt.
fn prove(attempt: fn() -> Vec<Figure>) -> Result<(), Failed> {
    const ATTEMPTS: u32 = 8;
    let mut off = String::new();
    for _ in 0..ATTEMPTS {
        off.clear();
        for Figure { what, found, least } in attempt() {
            let line = format!("{what}: {found:.2} ms, the server has {least:.2} ms");
            if found < 0.99 * least {
                return Err(line.into());
            }
            if found > 1.01 * least {
                off += &format!("{line}; ");
            }
        }
        if off.is_empty() {
            return Ok(());
        }
    }
    Err(format!("{off}in each of {ATTEMPTS} attempts").into())
}

/// The value at a quantile of sorted values, as the histogram counts ranks.
fn at(sorted: &[f64], quantile: f64) -> f64 {
    let rank = (quantile * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// Every request is held for a time of its own; the server notes how long that really was.
fn percentiles() -> Result<(), Failed> {
    prove(|| {
        let server = Server::start(|number| Duration::from_millis(2000 + number * 37 % 100 * 25));
        let load = "duration: 1s\nload: { open: { rate: 100/s, arrivals: constant, connections: 100 } }\n";
        let (code, report) = run(&server, load);
        let held = server.held_ms();
        assert_eq!((code, held.len()), (0, 99), "requests at 10 ms, 20 ms … 990 ms");
        if report["subjects"][0]["answers"] != 99 {
            // Somebody had no core for half a second, and an answer came when nobody waited for it any more.
            return vec![Figure {
                what: "an answer out of time",
                found: f64::INFINITY,
                least: at(&held, 1.0),
            }];
        }
        let figure =
            |what, quantile| Figure { what, found: latency_ms(&report, what), least: at(&held, quantile) };
        vec![figure("p50", 0.5), figure("p90", 0.9), figure("p99", 0.99), figure("max", 1.0)]
    })
}

/// The 20th request is held so long, on the only connection.
const STALL: Duration = Duration::from_secs(2);

fn stalling() -> Server {
    Server::start(|number| if number == 20 { STALL } else { Duration::ZERO })
}

/// In an open loop those that were due during the stall wait for what is left of it; a closed loop asks nothing meanwhile
/// and finds a single slow answer.
fn stall() -> Result<(), Failed> {
    prove(seen)?;
    prove(hidden)
}

fn seen() -> Vec<Figure> {
    const GAP: Duration = Duration::from_millis(25);
    let server = stalling();
    let load = "duration: 3s\nload: { open: { rate: 40/s, arrivals: constant, connections: 1 } }\n";
    let (_, report) = run(&server, load);
    assert_eq!(report["subjects"][0]["answers"], 119, "requests at 25 ms, 50 ms … 2975 ms");
    let held = server.held();
    // The requests of one connection come in the order in which they are due, and none before. Whichever was the least
    // late says when the first was due.
    let begin = held.iter().zip(0..).map(|(held, number)| held.asked - GAP * number).min().unwrap();
    let waited = held.iter().zip(0..).map(|(held, number)| held.answered - (begin + GAP * number));
    let mut waited: Vec<f64> = waited.map(|waited| waited.as_secs_f64() * 1000.0).collect();
    waited.sort_by(f64::total_cmp);
    let curve = report["subjects"][0]["latency_us"]["curve"].as_array().unwrap();
    let p85 = curve.iter().find(|point| point[0] == 0.85).unwrap()[1].as_f64().unwrap();
    assert!(at(&waited, 0.85) > 1500.0, "the 18th slowest was due 425 ms after the stall began: {waited:?}");
    vec![
        Figure { what: "max", found: latency_ms(&report, "max"), least: at(&waited, 1.0) },
        Figure { what: "p90", found: latency_ms(&report, "p90"), least: at(&waited, 0.9) },
        Figure { what: "p85", found: p85 / 1000.0, least: at(&waited, 0.85) },
    ]
}

fn hidden() -> Vec<Figure> {
    let server = stalling();
    let (_, report) = run(&server, "duration: 4s\nload: { closed: { connections: 1 } }\n");
    let answers = report["subjects"][0]["answers"].as_u64().unwrap();
    // Of a hundred answers or fewer, the 99th percentile is the slowest: the stall itself.
    assert!(answers > 100, "{answers} answers of a server that holds only one");
    let (p99, slowest) = (latency_ms(&report, "p99"), at(&server.held_ms(), 1.0));
    assert!(p99 < slowest / 4.0, "a closed loop that sees the stall at its p99: {p99} ms");
    vec![Figure { what: "max of the closed loop", found: latency_ms(&report, "max"), least: slowest }]
}

fn threshold() -> Result<(), Failed> {
    let server = Server::start(|_| Duration::from_millis(5));
    let load = "duration: 1s\nload: { closed: { connections: 4 } }\n";
    let (code, report) = run(&server, &format!("{load}thresholds: {{ p50: 1ms, errors: 0 }}\n"));
    assert_eq!(code, 99);
    assert_eq!(report["thresholds"][0]["holds"], false);
    assert_eq!(report["thresholds"][1]["holds"], true);
    let (code, _) = run(&server, &format!("{load}thresholds: {{ p50: 4s, errors: 0 }}\n"));
    assert_eq!(code, 0);
    Ok(())
}

/// Each field with the kind of its value; of a list, the first item. What depends on the machine is left out.
fn fields(value: &Value, path: &str, lines: &mut Vec<String>) {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(name, _)| !["machine", "notes"].contains(&name.as_str()))
            .for_each(|(name, value)| {
                fields(value, &format!("{path}.{name}"), lines);
            }),
        Value::Array(items) => match items.first() {
            Some(first) => fields(first, &format!("{path}[]"), lines),
            None => lines.push(format!("{path}[]")),
        },
        Value::String(_) => lines.push(format!("{path} text")),
        Value::Number(_) => lines.push(format!("{path} number")),
        Value::Bool(_) => lines.push(format!("{path} boolean")),
        Value::Null => lines.push(format!("{path} nothing")),
    }
}

fn shape() -> Result<(), Failed> {
    let server = Server::start(|_| Duration::from_millis(1));
    let folder = tempfile::tempdir()?;
    let rest = "duration: 300ms\nload: { open: { steps: [ 50/s, 100/s ], arrivals: constant, connections: 8 } }\nthresholds: { errors: 0 }\n";
    assert!(command(folder.path(), &server, rest).status()?.success());
    let report: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.path().join("truth/report.json"))?)?;
    let mut lines = Vec::new();
    fields(&report, "", &mut lines);
    let rates: Vec<Option<f64>> = report["subjects"][0]["points"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| point["rate"].as_f64())
        .collect();
    assert_eq!(rates, [Some(50.0), Some(100.0)], "each step is told: {report}");
    // Only a machine that was busy gives reason for some.
    assert!(report["notes"].is_array(), "{report}");
    let found = lines.join("\n") + "\n";
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/truth/report.txt");
    if std::env::var_os("WEIR_BLESS").is_some() {
        std::fs::write(&golden, &found)?;
    }
    assert_eq!(found, std::fs::read_to_string(golden)?, "WEIR_BLESS=1 accepts this shape");

    let page = std::fs::read_to_string(folder.path().join("truth/report.html"))?;
    for outside in ["src=", "href=", "@import", "url(", "fetch("] {
        assert!(!page.contains(outside), "the page asks for something: {outside}");
    }
    assert!(page.contains("a script") && page.contains("\"throughput\""), "the page holds its figures");
    Ok(())
}

fn wrong_bytes() -> Result<(), Failed> {
    let server = Server::start(|_| Duration::ZERO);
    let load = "duration: 1s\nload: { closed: { connections: 1 } }\n";
    let (code, report) =
        run(&server, &format!("{load}requests: [ {{ path: /bytes/12 }} ]\nthresholds: {{ errors: 0 }}\n"));
    assert_eq!(code, 99);
    assert_eq!(report["subjects"][0]["answers"], 0);
    assert!(report["subjects"][0]["errors"]["body"].as_u64().unwrap() > 0, "{report}");
    Ok(())
}

/// From 20 a second to 100 within two seconds: 120 requests.
fn ramp() -> Result<(), Failed> {
    let server = Server::start(|_| Duration::ZERO);
    let load = "duration: 2s\nload: { open: { rate: 100/s, ramp_from: 20/s, arrivals: constant, connections: 16 } }\n";
    let (code, report) = run(&server, load);
    assert_eq!((code, server.held_ms().len()), (0, 119), "the last is due when the window ends");
    let slices = report["subjects"][0]["slices"].as_array().unwrap();
    let answers = |slice: &Value| slice["n"].as_u64().unwrap();
    assert!(2 * answers(&slices[0]) < answers(&slices[9]), "it grows: {slices:?}");
    Ok(())
}

/// Of forty requests, twenty are due before the window opens.
fn warm_up() -> Result<(), Failed> {
    let server = Server::start(|_| Duration::ZERO);
    let load =
        "warm_up: 1s\nduration: 1s\nload: { open: { rate: 20/s, arrivals: constant, connections: 16 } }\n";
    let (code, report) = run(&server, load);
    assert_eq!((code, server.held().len()), (0, 39), "requests at 50 ms, 100 ms … 1950 ms");
    let answers = report["subjects"][0]["answers"].as_u64().unwrap();
    assert!((19..=20).contains(&answers), "those due from the first second on: {answers}");
    Ok(())
}

/// The gaps between requests, as the server sees them, are as a Poisson process has them, and as an even one has not.
fn arrivals() -> Result<(), Failed> {
    const ATTEMPTS: u32 = 8;
    let distance = |arrivals: &str| {
        let server = Server::start(|_| Duration::ZERO);
        let (_, report) = run(
            &server,
            &format!(
                "duration: 4s\nload: {{ open: {{ rate: 50/s, arrivals: {arrivals}, connections: 50 }} }}\n"
            ),
        );
        let mut asked: Vec<_> = server.held().iter().map(|held| held.asked).collect();
        asked.sort();
        let offered = report["subjects"][0]["offered"].as_u64().unwrap();
        assert_eq!(asked.len() as u64, offered, "all that was due was sent");
        let mut gaps: Vec<f64> = asked.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
        gaps.sort_by(f64::total_cmp);
        // Kolmogorov and Smirnov: the largest distance to the distribution asked for, at the 0.1 % level.
        let n = gaps.len() as f64;
        let apart =
            gaps.iter().zip(1..).map(|(gap, rank)| ((1.0 - (-gap * 50.0).exp()) - f64::from(rank) / n).abs());
        apart.fold(0.0, f64::max) / (1.95 / n.sqrt())
    };
    let even = distance("constant");
    assert!(even > 2.0, "even gaps are not those of a Poisson process: {even}");
    // A busy machine moves single requests; nothing makes independent ones of others.
    let found: Vec<f64> =
        (0..ATTEMPTS).map(|_| distance("poisson")).take_while(|apart| *apart > 1.0).collect();
    if found.len() < ATTEMPTS as usize {
        Ok(())
    } else {
        Err(format!("{found:?} times what chance allows").into())
    }
}

/// One connection at a time, held for 50 ms each: 20 requests a second are the most there can be. A busy machine ends a search
/// early, so that it is tried again; nothing makes it go too far.
fn knee() -> Result<(), Failed> {
    const ATTEMPTS: u32 = 5;
    let server = Server::start(|_| Duration::from_millis(50));
    let load =
        "duration: 2s\nload: { open: { rate: 12/s, knee: 250ms, arrivals: constant, connections: 1 } }\n";
    for _ in 0..ATTEMPTS {
        let (_, report) = run(&server, load);
        let Some(found) = report["subjects"][0]["knee"].as_f64() else { continue };
        // Each step is a quarter more: 12, 15, 18.75; at 23.4 a third of a second of requests waits in the end.
        assert!((12.0..23.0).contains(&found), "{found}");
        let points = report["subjects"][0]["points"].as_array().unwrap().len();
        assert!(points >= 2, "each step is told: {report}");
        return Ok(());
    }
    Err(format!("no knee in any of {ATTEMPTS} searches").into())
}

fn secured() -> Result<(), Failed> {
    let server = Server::start_tls(|_| Duration::ZERO);
    let load = "duration: 1s\nload: { closed: { connections: 4 } }\nthresholds: { errors: 0 }\n";
    let handshakes = |client: &str| {
        let before = server.handshakes();
        let (code, report) = run(&server, &format!("{load}client: {{ {client} }}\n"));
        assert_eq!(code, 0, "{client}: {report}");
        let answers = report["subjects"][0]["answers"].as_u64().unwrap();
        assert!(answers > 0, "{client}: {report}");
        let [full, resumed] = server.handshakes();
        (answers, full - before[0], resumed - before[1])
    };
    let (answers, full, resumed) = handshakes("keep_alive: true");
    assert!(full <= 4 && resumed == 0 && answers > 4, "{answers} answers, {full} full, {resumed} resumed");
    let (answers, full, resumed) = handshakes("tls: { handshake: new }, host: other.test");
    assert!(full >= answers && resumed == 0, "{answers} answers, {full} full, {resumed} resumed");
    let (answers, full, resumed) = handshakes("tls: { handshake: resumed }");
    assert!(full <= 4 && resumed + full >= answers, "{answers} answers, {full} full, {resumed} resumed");
    assert_eq!(server.name(), "load.test", "the name asked for by SNI");
    Ok(())
}

fn interrupted() -> Result<(), Failed> {
    let server = Server::start(|_| Duration::ZERO);
    let folder = tempfile::tempdir().unwrap();
    let child = command(folder.path(), &server, "duration: 60s\nload: { closed: { connections: 1 } }\n")
        .spawn()
        .unwrap();
    server.wait_for(1);
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    let report = std::fs::read_to_string(folder.path().join("truth/report.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&report).unwrap()["partial"], true);
    assert!(folder.path().join("truth/report.html").is_file());
    Ok(())
}
