//! The access log: what it tells, what it hides, and that nobody waits for it.

use crate::process::{Weir, curl, free_port, until, weir};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use std::io::Read;
use std::path::Path;
use std::process::Command;

pub(crate) fn trials() -> Vec<Trial> {
    let root = nix::unistd::geteuid().is_root();
    vec![
        Trial::test("log::each_request_is_a_line_without_secrets", lines),
        Trial::test("log::the_programs_own_log_is_as_configured", own),
        Trial::test("log::f9_the_programs_own_log_holds_nobody_up", unheard),
        Trial::test("log::sampling_leaves_no_refusal_out", sampled),
        Trial::test("log::f9_a_reader_that_stands_still_costs_lines_and_nothing_else", unread),
        Trial::test("log::a_full_disk_costs_lines_and_nothing_else", full).with_ignored_flag(!root),
    ]
}

fn config(port: u16, status: u16, log: &str) -> String {
    format!(
        "version: 1
shield: {{ mode: off }}
listeners: [ {{ name: edge, bind: \"127.0.0.1:{port}\" }} ]
consumers: {{ ghost: {{ keys: [ never-shown-to-anyone ], groups: [ nobody ] }} }}
policies: {{ shut: {{ acl: {{ allow: [ nobody ] }} }} }}
routes:
  - {{ name: hello, match: {{ path: /hello }}, respond: {{ status: 200, body: hello }} }}
  - {{ name: shut, match: {{ path: /shut }}, policies: [ shut ], respond: {{ status: 200 }} }}
  - {{ name: on, match: {{ path: /* }}, upstream: nobody }}
upstreams: {{ nobody: {{ targets: [ \"127.0.0.1:1\" ] }} }}
telemetry: {{ metrics: {{ bind: \"127.0.0.1:{status}\" }}, access_log: {log} }}
admin: {{ socket: \"{{dir}}/admin.sock\" }}
"
    )
}

/// The lines of a log, each of which must be JSON.
fn read(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// A number of the metrics page.
fn metric(status: u16, name: &str) -> u64 {
    let page = curl(&[&format!("http://127.0.0.1:{status}/metrics")]).1;
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is not in\n{page}")).parse().unwrap()
}

fn lines() -> Result<(), Failed> {
    let (port, status) = (free_port(), free_port());
    let log = "{ to: \"{dir}/access.json\", flush: 10ms, headers: [ Authorization, Referer ], fields: { who: \"{method} {client.ip}\" } }";
    let weir = Weir::start(&config(port, status, log));
    let url = format!("http://127.0.0.1:{port}");
    let path = weir.room.path().join("access.json");
    let secrets = [
        "-A",
        "a \"quoted\" agent",
        "-H",
        "authorization: Bearer hidden",
        "-H",
        "referer: http://a/b?hidden",
    ];
    curl(&[&secrets[..], &[&format!("{url}/hello?token=hidden")]].concat());
    let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let traced = format!("traceparent: 00-{trace}-{span}-01");
    curl(&["-H", &traced, &format!("{url}/reset/eyJhbGciOiJub25lIn0.hidden.hidden")]);
    until("both are logged", || read(&path).len() == 2);

    let logged = read(&path);
    let check = |line: &Value, expect: &[(&str, Value)]| {
        for (name, value) in expect {
            assert_eq!(line.pointer(name), Some(value), "{name} in {line:#}");
        }
    };
    check(
        &logged[0],
        &[
            ("/listener", "edge".into()),
            ("/route", "hello".into()),
            ("/client", "127.0.0.1".into()),
            ("/protocol", "HTTP/1.1".into()),
            ("/method", "GET".into()),
            ("/host", "127.0.0.1".into()),
            ("/path", "/hello".into()),
            ("/status", 200.into()),
            ("/sent_bytes", 5.into()),
            ("/user_agent", "a \"quoted\" agent".into()),
            ("/headers/authorization", "***".into()),
            ("/headers/referer", "http://a/b".into()),
            ("/fields/who", "GET 127.0.0.1".into()),
        ],
    );
    let failed = [
        ("/path", "/reset/***".into()),
        ("/status", 502.into()),
        ("/upstream", "nobody".into()),
        ("/target", "127.0.0.1:1".into()),
        ("/error", "connect_failed".into()),
        ("/trace_id", trace.into()),
    ];
    check(&logged[1], &failed);
    let told = logged[1]["span_id"].as_str().unwrap();
    assert!(told.len() == span.len() && told != span, "weir is the parent of what the target does: {told}");
    assert!(!std::fs::read_to_string(&path)?.contains("hidden"));

    // Rotation: the file is renamed, then the program is told.
    std::fs::rename(&path, path.with_extension("1"))?;
    weir.signal("USR1");
    until("the file is there again", || path.exists());
    curl(&[&format!("{url}/hello")]);
    until("the line is in the new file", || read(&path).len() == 1);
    assert_eq!(read(&path.with_extension("1")).len(), 2);
    assert_eq!(metric(status, "weir_access_log_lines_total"), 3);
    Ok(())
}

fn sampled() -> Result<(), Failed> {
    let (port, status) = (free_port(), free_port());
    let mut weir = Weir::start(&config(port, status, "{ to: \"{dir}/access.json\", sample: 0% }"));
    let url = format!("http://127.0.0.1:{port}");
    for path in ["/hello", "/shut", "/hello", "/gone", "/hello"] {
        curl(&[&format!("{url}{path}")]);
    }
    weir.signal("TERM");
    assert_eq!(weir.end(), Some(0));
    let mut logged = read(&weir.room.path().join("access.json"));
    // Each worker writes its own sheet, so the order between two connections is open.
    logged.sort_by_key(|line| line["status"].as_u64());
    let paths: Vec<_> = logged.iter().map(|line| line["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/shut", "/gone"], "and the end has written what waited");
    assert_eq!((&logged[0]["verdict"], &logged[0]["rule"]), (&"refused".into(), &"shut".into()));
    Ok(())
}

/// A file system of 64 KiB, which goes with the test.
struct Disk(tempfile::TempDir);

impl Disk {
    fn mount() -> Self {
        let room = tempfile::tempdir().unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(room.path()).status();
        assert!(mounted.unwrap().success());
        Self(room)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(self.0.path()).status());
    }
}

/// F9.
fn full() -> Result<(), Failed> {
    let disk = Disk::mount();
    let (port, status) = (free_port(), free_port());
    let path = disk.0.path().join("access.json");
    let log = format!("{{ to: \"{}\", flush: 10ms }}", path.display());
    let _weir = Weir::start(&config(port, status, &log));
    let url = format!("http://127.0.0.1:{port}/hello?[1-600]");
    let many = || Command::new("curl").args(["--silent", "--fail", "--output", "/dev/null", &url]).status();
    assert!(many()?.success(), "every request is answered");
    until("the disk is full", || metric(status, "weir_access_log_failures_total") > 0);
    assert_eq!(metric(status, "weir_access_log_up"), 0);
    assert!(many()?.success(), "and still is");

    std::fs::OpenOptions::new().write(true).open(&path)?.set_len(0)?;
    curl(&[&format!("http://127.0.0.1:{port}/hello")]);
    until("lines are written again", || metric(status, "weir_access_log_up") == 1);
    let lost =
        metric(status, "weir_access_log_failures_total") + metric(status, "weir_access_log_overflows_total");
    assert_eq!(metric(status, "weir_access_log_lines_total") + lost, 1201, "each line is accounted for");
    Ok(())
}

/// F9: a pipe whose other end is open and is not read, as that of a stopped process.
fn unread() -> Result<(), Failed> {
    let (mut reader, writer) = std::io::pipe()?;
    let (port, status) = (free_port(), free_port());
    let mut command = weir();
    command.stdout(writer);
    let weir = Weir::start_by(command, &config(port, status, "{ to: stdout, flush: 10ms, buffer: 256KiB }"));
    let url = format!("http://127.0.0.1:{port}/hello?[1-1000]");
    let many = || Command::new("curl").args(["--silent", "--fail", "--output", "/dev/null", &url]).status();
    assert!(many()?.success() && many()?.success(), "every request is answered");
    until("lines are lost", || metric(status, "weir_access_log_failures_total") > 0);
    assert!(many()?.success(), "and still is");
    assert_eq!(metric(status, "weir_access_log_up"), 0);
    let written = || metric(status, "weir_access_log_lines_total");
    let before = written();

    // It reads again: lines come again, and each is whole but the one that was torn.
    let read = std::thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).map(|_| text)
    });
    until("lines are written again", || {
        curl(&[&format!("http://127.0.0.1:{port}/hello")]);
        written() > before
    });
    drop(weir);
    let text = read.join().unwrap()?;
    let torn = text.lines().filter(|line| serde_json::from_str::<Value>(line).is_err()).count();
    assert!(torn <= 2 && text.lines().count() > 50, "{torn} of {} lines are torn", text.lines().count());
    Ok(())
}

/// F9: nobody reads standard error, and the operator is answered all the same.
fn unheard() -> Result<(), Failed> {
    let (reader, writer) = std::io::pipe()?;
    let (port, status) = (free_port(), free_port());
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" \"$@\" 2>&1"]).arg(weir().get_program()).stdout(writer);
    let weir = Weir::start_by(command, &config(port, status, "\"{dir}/access.json\""));
    // Each of them is a line; a pipe holds 64 KiB.
    let url = "http://weir/v1/shield/bans/198.51.[100-107].[1-250]";
    let mut bans = Command::new("curl");
    bans.args(["--silent", "--max-time", "60", "--output", "/dev/null"]);
    bans.args(["--unix-socket", weir.socket().to_str().ok_or("a path")?, "-X", "DELETE", url]);
    assert!(bans.status()?.success(), "every change is answered");
    assert!(metric(status, "weir_log_lines_lost_total") > 0);
    assert_eq!(curl(&[&format!("http://127.0.0.1:{port}/hello")]).0, 200);
    assert_eq!(curl(&[&format!("http://127.0.0.1:{status}/readyz")]).0, 200);
    drop(reader);
    Ok(())
}

/// Every change by an operator is a line of the program's own log, unless less is wanted.
fn own() -> Result<(), Failed> {
    let (port, status) = (free_port(), free_port());
    let with = |log: &str| config(port, status, &format!("\"{{dir}}/access.json\", log: {log}"));
    let weir = Weir::start(&with("{ format: json }"));
    let said = weir.room.path().join("stderr");
    let about = |address: &str| {
        let text = std::fs::read_to_string(&said).unwrap();
        text.lines().filter(|line| line.contains(address)).map(str::to_owned).collect::<Vec<_>>()
    };
    let ban = |address: &str| assert!(weir.ask(&["shield", "ban", address, "--for", "1m"]).status.success());
    ban("198.51.100.1");
    let lines = about("198.51.100.1");
    let line: Value = serde_json::from_str(lines.first().ok_or("no line")?)?;
    assert_eq!(line["level"], "INFO", "{line}");
    weir.rewrite(&with("error"));
    assert!(weir.ask(&["reload", "--wait"]).status.success());
    ban("198.51.100.2");
    assert_eq!(about("198.51.100.2"), Vec::<String>::new(), "less than an error");
    weir.rewrite(&with("info"));
    assert!(weir.ask(&["reload", "--wait"]).status.success());
    ban("198.51.100.3");
    let lines = about("198.51.100.3");
    assert!(lines.first().is_some_and(|line| line.contains(" INFO ")), "for people again: {lines:?}");
    Ok(())
}
