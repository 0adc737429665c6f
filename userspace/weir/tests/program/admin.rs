//! F26: who may not use the admin interface, and that traffic does not notice the attempt.

use crate::process::{Weir, curl, free_port, until};
use libtest_mimic::{Failed, Trial};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("admin::f26_strangers_change_nothing", strangers),
        Trial::test("admin::f26_a_body_without_end_is_refused_and_traffic_goes_on", flood),
        Trial::test("admin::f26_of_many_writers_at_once_one_is_first", writers),
        Trial::test("admin::tls_asks_for_a_certificate_and_follows_a_reload", secured),
        Trial::test("admin::a_token_may_travel_in_tls", token_in_tls),
        Trial::test("admin::f7_it_answers_while_descriptors_are_exhausted", exhausted),
    ]
}

fn config(port: u16, admin: u16, status: u16) -> String {
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

/// Certificates of one authority: a server's, a client's, and a stranger's of another authority.
fn certificates(room: &Path) {
    let authority = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        std::fs::write(room.join(format!("{name}.pem")), params.self_signed(&key).unwrap().pem()).unwrap();
        Issuer::new(params, key)
    };
    let sign = |name: &str, issuer: &Issuer<'_, KeyPair>| {
        let key = KeyPair::generate().unwrap();
        let names = vec![format!("{name}.test"), String::from("localhost")];
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, format!("{name}.test"));
        std::fs::write(room.join(format!("{name}.pem")), params.signed_by(&key, issuer).unwrap().pem())
            .unwrap();
        std::fs::write(room.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    };
    let ours = authority("ca");
    for name in ["server", "renewed", "ops"] {
        sign(name, &ours);
    }
    sign("stranger", &authority("other-ca"));
}

fn secured() -> Result<(), Failed> {
    let room = tempfile::tempdir()?;
    certificates(room.path());
    let at = |name: &str| room.path().join(name).display().to_string();
    let (port, admin, status) = (free_port(), free_port(), free_port());
    let with = |server: &str| {
        let tls = format!(
            "  tls: {{ certificate: \"{}\", key: \"{}\", client_ca: \"{}\" }}\n",
            at(&format!("{server}.pem")),
            at(&format!("{server}.key")),
            at("ca.pem")
        );
        let text = config(port, admin, status);
        format!("{}{tls}", text.split_once("  tokens:").unwrap().0)
    };
    let running = Weir::start(&with("server"));
    let ca = at("ca.pem");
    let url = format!("https://localhost:{admin}/v1/reload");
    let ask = |holder: &str| {
        let (certificate, key) = (at(&format!("{holder}.pem")), at(&format!("{holder}.key")));
        curl(&["--cacert", &ca, "--cert", &certificate, "--key", &key, "-X", "POST", &url]).0
    };
    assert_eq!(curl(&["--cacert", &ca, "-X", "POST", &url]).0, 0, "no certificate, no answer");
    assert_eq!(ask("stranger"), 0, "another authority's is none");
    assert_eq!(
        curl(&["-X", "POST", &format!("http://127.0.0.1:{admin}/v1/reload")]).0,
        0,
        "nor in the clear"
    );
    assert_eq!(ask("ops"), 200);
    let words = std::fs::read_to_string(running.room.path().join("stderr"))?;
    assert!(words.contains("ops.test at 127.0.0.1"), "who changed what is known: {words}");

    running.rewrite(&with("renewed"));
    assert!(running.ask(&["reload"]).status.success());
    let (_, said) = curl(&["--verbose", "--stderr", "-", "--cacert", &ca, &url]);
    assert!(said.contains("renewed.test"), "the new certificate is shown without a restart: {said}");
    assert_eq!(ask("ops"), 200);
    Ok(())
}

fn token_in_tls() -> Result<(), Failed> {
    let room = tempfile::tempdir()?;
    certificates(room.path());
    let at = |name: &str| room.path().join(name).display().to_string();
    let (port, admin, status) = (free_port(), free_port(), free_port());
    let tls = format!("  tls: {{ certificate: \"{}\", key: \"{}\" }}\n", at("server.pem"), at("server.key"));
    let _running = Weir::start(&(config(port, admin, status) + &tls));
    let (ca, url) = (at("ca.pem"), format!("https://localhost:{admin}/v1/status"));
    let ask = |field: &str| curl(&["--cacert", &ca, "-H", field, &url]).0;
    assert_eq!(ask("x: y"), 401);
    assert_eq!(ask("authorization: Bearer reader-0123456789abcdef"), 200);
    assert_eq!(
        curl(&["-H", "authorization: Bearer reader-0123456789abcdef", &url.replace("https", "http")]).0,
        0
    );
    // Whoever opens a connection and says nothing keeps nobody else out.
    let _silent: Vec<TcpStream> =
        (0..32).map(|_| TcpStream::connect(("127.0.0.1", admin)).unwrap()).collect();
    assert_eq!(ask("authorization: Bearer reader-0123456789abcdef"), 200);
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
