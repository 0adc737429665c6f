//! F10: the clock of the wall jumps, and nobody is held up or cut off by it.

use crate::process::{Weir, curl, free_port, until, weir};
use crate::reload::Client;
use crate::service::{LOGIN, Origin, TOKEN};
use libtest_mimic::{Failed, Trial};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) fn trials() -> Vec<Trial> {
    let library = library();
    if library.is_none() {
        println!("skipped: trials of clocks that jump need the Debian package faketime");
    }
    vec![
        Trial::test("clock::f10_a_jump_of_an_hour_expires_nothing_and_stops_nobody", jump)
            .with_ignored_flag(library.is_none()),
    ]
}

/// What is laid between a program and its clock.
fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.flatten().map(|folder| folder.path());
    folders.map(|folder| folder.join("faketime/libfaketime.so.1")).find(|path| path.exists())
}

fn config(port: u16, status: u16, origin: u16) -> String {
    format!(
        "version: 1
shield: {{ mode: off }}
listeners: [ {{ name: edge, bind: \"127.0.0.1:{port}\" }} ]
policies: {{ login: {LOGIN} }}
routes:
  - {{ name: hello, match: {{ path: / }}, respond: {{ status: 200, body: hello }} }}
  - {{ name: private, match: {{ path: /private }}, policies: [ login ], respond: {{ status: 200 }} }}
  - {{ name: on, match: {{ path: /* }}, upstream: origin }}
upstreams: {{ origin: {{ targets: [ \"127.0.0.1:{origin}\" ], health: {{ active: {{ http: {{ path: / }}, every: 1s, timeout: 1s }} }} }} }}
telemetry: {{ metrics: {{ bind: \"127.0.0.1:{status}\" }}, access_log: {{ to: \"{{dir}}/access.json\", flush: 10ms }} }}
admin: {{ socket: \"{{dir}}/admin.sock\" }}
"
    )
}

/// Who is banned meanwhile.
const BANNED: &str = "127.0.0.9";

/// Seconds since 1970, by the true clock.
fn now_s() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

/// The hour and minute that is so far from now.
fn wall(distance: &str) -> String {
    let output = Command::new("date").args(["-u", "-d", distance, "+%Y-%m-%dT%H:%M"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The time of the newest line in the log.
fn logged(room: &Path) -> String {
    let text = std::fs::read_to_string(room.join("access.json")).unwrap_or_default();
    text.lines().last().and_then(|line| line.get(9..25)).unwrap_or_default().to_owned()
}

fn jump() -> Result<(), Failed> {
    let room = tempfile::tempdir()?;
    let offset = room.path().join("offset");
    let set = |text: &str| std::fs::write(&offset, text).unwrap();
    set("+0");
    let mut command = weir();
    command.env("LD_PRELOAD", library().ok_or("the library")?).env("FAKETIME_TIMESTAMP_FILE", &offset);
    // Only the wall's clock is set by administrators and NTP; the monotonic one is the kernel's own.
    command.envs([
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
    ]);
    let (origin, port, status) = (Origin::start(), free_port(), free_port());
    let running = Weir::start_by(command, &config(port, status, origin.1));
    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    let token = format!("authorization: Bearer {TOKEN}");
    let mut kept = Client::new(port);
    let is_sane = |kept: &mut Client, when: &str| {
        for _ in 0..20 {
            assert_eq!(curl(&[&url("/")]).0, 200, "{when}");
        }
        assert_eq!(curl(&["-H", &token, &url("/private")]).0, 200, "{when}: a token that is good until 2100");
        assert_eq!(curl(&["-H", &token, &url("/echo")]).0, 200, "{when}: the upstream is healthy");
        assert_eq!(kept.ask(), Some((String::from("hello"), true)), "{when}: an idle connection lives on");
        assert_eq!(curl(&[&format!("http://127.0.0.1:{status}/readyz")]).0, 200, "{when}");
    };
    let banned = || curl(&["--interface", BANNED, &url("/")]).0 == 0;
    assert!(running.ask(&["shield", "ban", BANNED, "--for", "10m"]).status.success());
    until("the ban holds", banned);
    is_sane(&mut kept, "before");
    for (offset, early, late) in
        [("+3600", "+50 minutes", "+70 minutes"), ("-3600", "-70 minutes", "-50 minutes")]
    {
        let slow = Command::new("curl")
            .args(["--silent", "--max-time", "60", "--output", "/dev/null", "--write-out", "%{http_code}"])
            .arg(url("/delay/1500"))
            .stdout(Stdio::piped())
            .spawn()?;
        set(offset);
        is_sane(&mut kept, offset);
        until("the log tells the new time", || {
            curl(&[&url("/")]);
            let seen = logged(running.room.path());
            (wall(early)..wall(late)).contains(&seen)
        });
        until("the ban's times are told by the new clock", || {
            let listed = String::from_utf8(running.ask(&["shield", "bans", "-o", "json"]).stdout).unwrap();
            let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
            let since_s = listed["items"][0]["since_s"].as_u64().unwrap_or_else(|| panic!("{listed}"));
            now_s().saturating_add_signed(offset.parse().unwrap()).abs_diff(since_s) < 120
        });
        assert!(banned(), "at {offset} the ban of ten minutes is over");
        assert_eq!(slow.wait_with_output()?.stdout, b"200", "what was under way at {offset} is finished");
    }
    set("+0");
    is_sane(&mut kept, "and back");
    let page = curl(&[&format!("http://127.0.0.1:{status}/metrics")]).1;
    assert!(page.lines().any(|line| line == "weir_panics_total 0"), "{page}");
    Ok(())
}
