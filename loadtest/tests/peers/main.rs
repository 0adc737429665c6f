//! Whole runs, short ones: every kind of client at a server of the distribution, small packets, and a siege in namespaces.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on says where, and why it is skipped"
)]

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn main() {
    let is_root = nix::unistd::geteuid().is_root();
    let disabled = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
    let mut lacks = Vec::new();
    if !matches!(disabled.trim(), "" | "0") {
        lacks.push("no io_uring (kernel.io_uring_disabled)");
    }
    if Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_err() {
        lacks.push("no nginx: `weir-loadtest setup` installs it");
    }
    if !is_root {
        lacks.push("no root, which network namespaces need");
    }
    let ring = matches!(disabled.trim(), "" | "0");
    let nginx = ring && !lacks.iter().any(|lack| lack.contains("nginx"));
    let siege = ring && is_root && weir().exists();
    if !weir().exists() {
        lacks.push("no weir beside this program: cargo build -p weir");
    }
    for lack in &lacks {
        println!("skipped in part: {lack}");
    }
    let tests = vec![
        Trial::test("every_kind_of_client_is_answered", clients).with_ignored_flag(!nginx),
        Trial::test("connections_idle_at_every_peer_at_once", idle).with_ignored_flag(!nginx),
        Trial::test("packets_are_as_small_as_asked_for", packets).with_ignored_flag(!nginx || !is_root),
        Trial::test("a_siege_counts_what_was_sent_and_what_was_dropped", siege_of_packets)
            .with_ignored_flag(!siege),
        Trial::test("a_siege_over_http2_resets_streams", siege_of_streams).with_ignored_flag(!siege),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit();
}

/// The weir that the program finds beside itself.
fn weir() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_weir-loadtest")).with_file_name("weir")
}

/// Runs a scenario; its report.
fn run(rest: &str) -> Result<Value, Failed> {
    let folder = tempfile::tempdir()?;
    let scenario = folder.path().join("short.yaml");
    let head = "version: 1\nname: short\nwhat: a test\nrounds: 1\nwarm_up: 20ms\n";
    std::fs::write(&scenario, format!("{head}{rest}"))?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir-loadtest"));
    command.arg("run").arg(&scenario).arg("--out").arg(folder.path());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mark = format!("weir-{:x}-", child.id());
    let output = child.wait_with_output()?;
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert_eq!(output.status.code(), Some(0), "{rest}\n{said}");
    let spaces = Command::new("ip").args(["netns", "list"]).output().map(|output| output.stdout);
    let spaces = String::from_utf8_lossy(&spaces.unwrap_or_default()).into_owned();
    assert!(!spaces.contains(&mark), "a namespace is left: {spaces}");
    Ok(serde_json::from_str(&std::fs::read_to_string(folder.path().join("short/report.json"))?)?)
}

fn clients() -> Result<(), Failed> {
    let one = "load: { closed: { connections: 4 } }\n";
    let many = "load: { closed: { connections: 2, streams: 8 } }\n";
    let number = |subject: &Value, name: &str| subject[name].as_u64().unwrap();
    let during = |time: &str, load: &str, client: &str, requests: &str| -> Result<Value, Failed> {
        let report = run(&format!(
            "peers: {{ run: [ nginx ] }}\nduration: {time}\nthresholds: {{ errors: 0 }}\n{load}client: {{ {client} }}\nrequests: [ {{ {requests} }} ]\n"
        ))?;
        Ok(report["subjects"][0].clone())
    };
    let check = |load: &str, client: &str, requests: &str| -> Result<Value, Failed> {
        let mut nginx = during("200ms", load, client, requests)?;
        // A busy machine may let nobody run for as long as that.
        if number(&nginx, "answers") < 10 {
            nginx = during("5s", load, client, requests)?;
        }
        assert!(number(&nginx, "answers") > 4, "{client} {requests}: {nginx}");
        Ok(nginx)
    };
    check(one, "", "path: /bytes/13")?;
    check(many, "protocol: h2", "path: /bytes/13")?;
    check(many, "protocol: h2, tls: {}", "path: /bytes/70000")?;
    check(many, "protocol: h2, tls: {}", "method: POST, path: /bytes/13, body: 100KiB")?;
    check(one, "tls: {}", "method: POST, path: /bytes/100000, body: 256KiB")?;
    check(one, "tokens: 8, sources: 50", "path: /bytes/13")?;
    check(one, "protocol: websocket", "path: /echo")?;
    // More answers than connections: messages follow one another.
    check(one, "protocol: websocket, tls: {}", "path: /echo")?;
    let anew = check(one, "keep_alive: false", "path: /bytes/13")?;
    assert!(number(&anew, "opened_connections") >= number(&anew, "answers"), "{anew}");
    for handshake in ["tls: { handshake: new, key: rsa }", "tls: { handshake: resumed }"] {
        let hands = check(one, handshake, "path: /bytes/13")?;
        assert!(number(&hands, "opened_connections") >= number(&hands, "answers"), "{hands}");
    }
    Ok(())
}

fn idle() -> Result<(), Failed> {
    let report = run(
        "peers: { run: [ nginx, nginx-logged ] }\nload: { idle: { connections: 200 } }\nduration: 500ms\nthresholds: { errors: 0 }\n",
    )?;
    for subject in report["subjects"].as_array().unwrap() {
        assert_eq!(subject["answers"], 200, "each connection is used once: {subject}");
        assert!(subject["rounds"][0]["connection_bytes"].is_number(), "{subject}");
    }
    Ok(())
}

fn packets() -> Result<(), Failed> {
    let report = run(
        "peers: { run: [ nginx ], mtu: 1500 }\nduration: 1s\nthresholds: { errors: 0 }\nrequests: [ { path: /bytes/100000 } ]\n",
    )?;
    assert_eq!(report["machine"]["loopback_mtu"], "1500");
    assert!(report["subjects"][0]["answers"].as_u64() > Some(0), "{report}");
    Ok(())
}

/// Attacks of a siege by their words, the first being none.
fn floods(report: &Value) -> Vec<&Value> {
    report["floods"].as_array().unwrap().iter().collect()
}

fn siege_of_packets() -> Result<(), Failed> {
    let attacks = [
        "{ kind: syn, rate: 5k/s }",
        "{ kind: syn, rate: 2k/s, sources: 1 }",
        "{ kind: ack, rate: 2k/s }",
        "{ kind: udp, rate: 5k/s, sources: 1 }",
        "{ kind: malformed, rate: 2k/s }",
        "{ kind: fragments, rate: 2k/s }",
        "{ kind: slow_loris, rate: 50/s }",
        "{ kind: rapid_reset, rate: 200/s }",
        "{ kind: handshake, rate: 20/s }",
    ];
    let report = run(&format!(
        "siege: {{ control: false, attacks: [ {} ] }}\nload: {{ open: {{ rate: 50/s, connections: 8 }} }}\nclient: {{ keep_alive: false }}\nduration: 600ms\nthresholds: {{ goodput: 10% }}\n",
        attacks.join(", ")
    ))?;
    assert_eq!(report["thresholds"].as_array().unwrap().len(), 1 + attacks.len(), "each attack is judged");
    let floods = floods(&report);
    assert_eq!(floods.len(), 1 + attacks.len());
    for flood in &floods {
        assert!(flood["answers"].as_f64() > Some(0.0), "honest clients are answered: {flood}");
    }
    for flood in &floods[1..] {
        assert!(flood["offered"].as_f64() > Some(0.0), "the attack took place: {flood}");
        let answers =
            flood["slices"].as_array().unwrap().iter().filter_map(|slice| slice["n"].as_u64()).sum::<u64>();
        assert!(answers > 0, "honest answers are told over time: {flood}");
    }
    let malformed =
        floods.iter().find(|flood| flood["what"].as_str().unwrap().contains("malformed")).unwrap();
    assert!(malformed["dropped"].as_u64() > Some(0), "the kernel says what it dropped: {malformed}");
    Ok(())
}

fn siege_of_streams() -> Result<(), Failed> {
    let report = run(
        "siege: { control: false, attacks: [ { kind: rapid_reset, rate: 2k/s } ] }\nload: { open: { rate: 50/s, connections: 4 } }\nclient: { protocol: h2, tls: {} }\nduration: 600ms\n",
    )?;
    let floods = floods(&report);
    assert!(floods[1]["offered"].as_f64() > Some(0.0), "{report}");
    assert!(floods[1]["answers"].as_f64() > Some(0.0), "{report}");
    Ok(())
}
