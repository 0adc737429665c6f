//! F26: who may not use the admin interface, and that traffic does not notice the attempt.

use crate::process::{Weir, curl, free_port, until};
use libtest_mimic::{Failed, Trial};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("admin::f26_strangers_change_nothing", strangers),
        Trial::test("admin::f26_a_body_without_end_is_refused_and_traffic_goes_on", flood),
        Trial::test("admin::f26_of_many_writers_at_once_one_is_first", writers),
        Trial::test("admin::f7_it_answers_while_descriptors_are_exhausted", exhausted),
    ]
}

/// A configuration with every door: two tokens open the admin address.
pub(crate) fn config(port: u16, admin: u16, status: u16) -> String {
    format!(
        "version: 1
shield: {{ mode: off }}
listeners: [ {{ name: edge, bind: \"127.0.0.1:{port}\" }} ]
routes: [ {{ name: hello, match: {{ path: /* }}, respond: {{ status: 200, body: hello }} }} ]
telemetry: {{ metrics: {{ bind: \"127.0.0.1:{status}\" }} }}
admin:
  socket: \"{{dir}}/admin.sock\"
  bind: 127.0.0.1:{admin}
  tokens:
    - {{ name: reader, token: reader-0123456789abcdef }}
    - {{ name: writer, token: writer-0123456789abcdef, role: write }}
"
    )
}

fn strangers() -> Result<(), Failed> {
    let (port, admin, status) = (free_port(), free_port(), free_port());
    let running = Weir::start(&config(port, admin, status));
    let reload = format!("http://127.0.0.1:{admin}/v1/reload");
    let page = format!("http://127.0.0.1:{status}/metrics");
    let check = |arguments: &[&str], expect: u16| {
        let (code, body) = curl(arguments);
        assert_eq!(code, expect, "{arguments:?}: {body}");
    };
    let (read, write) =
        ("authorization: Bearer reader-0123456789abcdef", "authorization: Bearer writer-0123456789abcdef");
    check(&["-X", "POST", &reload], 401);
    check(&["-X", "POST", "-H", "authorization: Bearer writer-0123456789abcdee", &reload], 401);
    check(&["-X", "POST", "-H", read, &reload], 403);
    check(&["-X", "POST", "-H", write, "-H", "origin: http://evil.example", &reload], 403);
    check(&["-X", "POST", "-H", write, "-H", "host: evil.example", &reload], 421);
    check(&["-H", "host: evil.example", &page], 421);
    check(&["-X", "GET", "-H", write, &reload], 405);
    check(&["-H", read, &format!("http://127.0.0.1:{admin}/v1/status")], 200);
    check(&[&page], 200);
    let generation = || String::from_utf8(running.ask(&["status", "-o", "json"]).stdout).unwrap();
    assert!(generation().contains("\"generation\": 1"), "nothing has changed: {}", generation());
    check(&["-X", "POST", "-H", write, &reload], 200);
    assert!(generation().contains("\"generation\": 2"), "and whoever may, does: {}", generation());
    Ok(())
}

/// Sixteen writers have seen the same state: the first is heard, the others are told to look again.
fn writers() -> Result<(), Failed> {
    let (port, admin, status) = (free_port(), free_port(), free_port());
    let running = Weir::start(&config(port, admin, status));
    let url = |path: &str| format!("http://127.0.0.1:{admin}/v1/{path}");
    let write = "authorization: Bearer writer-0123456789abcdef";
    let tag = || {
        let head = curl(&["--head", "-X", "GET", "-H", write, &url("status")]).1;
        let tag = head.lines().find_map(|line| line.to_lowercase().strip_prefix("etag: ").map(str::to_owned));
        tag.unwrap_or_else(|| panic!("no tag in {head}")).trim().to_owned()
    };
    let seen = tag();
    let codes: Vec<u16> = std::thread::scope(|scope| {
        let condition = format!("if-match: {seen}");
        let write = |_| {
            let (condition, url) = (condition.clone(), url("reload"));
            scope.spawn(move || curl(&["-X", "POST", "-H", write, "-H", &condition, &url]).0)
        };
        let writers: Vec<_> = (0..16).map(write).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    assert_eq!(codes.iter().filter(|code| **code == 200).count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == 412).count(), 15, "{codes:?}");
    let now = tag();
    assert_ne!(now, seen);
    let check = |condition: &str, expect: u16| {
        let condition = format!("if-match: {condition}");
        let (code, body) = curl(&["-X", "POST", "-H", write, "-H", &condition, &url("reload")]);
        assert_eq!(code, expect, "{condition}: {body}");
    };
    check(&seen, 412);
    check(&format!("W/{now}"), 412);
    check(&now, 200);
    check("*", 200);
    let words = std::fs::read_to_string(running.room.path().join("stderr"))?;
    assert!(words.contains("as writer") && words.contains("its files"), "each change is in the log: {words}");
    Ok(())
}

fn flood() -> Result<(), Failed> {
    let (port, admin, status) = (free_port(), free_port(), free_port());
    let _running = Weir::start(&config(port, admin, status));
    let ask = |length: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", admin)).unwrap();
        let head = format!(
            "POST /v1/reload HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer writer-0123456789abcdef\r\nconnection: close\r\n{length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    let mut announced = String::new();
    ask("content-length: 1073741824").read_to_string(&mut announced)?;
    assert!(announced.starts_with("HTTP/1.1 413 "), "{announced}");

    // A chunked body has no length; it is cut off once it is too large, and meanwhile requests are answered.
    let mut endless = ask("transfer-encoding: chunked");
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    let mut sent = 0;
    while endless.write_all(&chunk).is_ok() {
        sent += 1;
        assert!(sent < 16_384, "a gigabyte was taken");
        if sent % 8 == 0 {
            assert_eq!(curl(&[&format!("http://127.0.0.1:{port}/")]).0, 200);
        }
    }
    assert_eq!(curl(&[&format!("http://127.0.0.1:{port}/")]).0, 200);
    Ok(())
}

/// Milliseconds of CPU of a process so far: fields 14 and 15 of its line, in hundredths of a second.
fn cpu_ms(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    10 * [11, 12].iter().map(|at: &usize| fields[*at].parse::<u64>().unwrap()).sum::<u64>()
}

/// F7: the service has no descriptor left for further connections, and the operator is heard nevertheless.
fn exhausted() -> Result<(), Failed> {
    let (port, admin, status) = (free_port(), free_port(), free_port());
    let running = Weir::start(&config(port, admin, status));
    let open = std::fs::read_dir(format!("/proc/{}/fd", running.process()))?.count();
    let limit = format!("--nofile={}", open + 12);
    assert!(
        Command::new("prlimit").arg(format!("--pid={}", running.process())).arg(limit).status()?.success()
    );
    let held: Vec<TcpStream> = (0..64).filter_map(|_| TcpStream::connect(("127.0.0.1", port)).ok()).collect();
    until("descriptors are short", || {
        std::fs::read_dir(format!("/proc/{}/fd", running.process())).unwrap().count() >= open + 8
    });
    for _ in 0..3 {
        let answer = running.ask(&["status"]);
        assert!(answer.status.success(), "{answer:?}");
    }
    let (begun, before) = (Instant::now(), cpu_ms(running.process()));
    std::thread::park_timeout(Duration::from_secs(1));
    let (spent, passed) = (cpu_ms(running.process()) - before, begun.elapsed().as_millis());
    assert!(u128::from(spent) * 5 < passed, "it spins: {spent} ms of CPU in {passed} ms");
    drop(held);
    until("it serves again", || curl(&[&format!("http://127.0.0.1:{port}/")]).0 == 200);
    Ok(())
}
