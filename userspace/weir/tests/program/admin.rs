//! F26: who may not use the admin interface, and that traffic does not notice the attempt.

use crate::process::{Weir, curl, free_port, until};
use libtest_mimic::{Failed, Trial};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
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
        Trial::test("admin::b65_lists_come_in_pages", pages),
        Trial::test("admin::b65_a_change_can_be_rehearsed", rehearsed),
        Trial::test("admin::b65_what_is_put_twice_is_taken_once", put_twice),
        Trial::test("admin::b64_readiness_follows_what_this_host_needs", needs),
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

/// A host with five upstreams, of which it needs one.
fn crowded(port: u16, status: u16) -> String {
    let upstreams =
        ["e", "d", "c", "b", "a"].map(|name| format!("{name}: {{ targets: [ \"127.0.0.1:9\" ] }}"));
    // Whoever answers for weir is never banned.
    let upstreams = upstreams.join(", ").replacen("127.0.0.1:9", "203.0.113.9:9", 1);
    let routes = ["a", "b", "c", "d", "e"].map(|name| format!("{{ match: /{name}, upstream: {name} }}"));
    format!(
        "version: 1
shield: {{ mode: off }}
listeners: [ {{ name: edge, bind: \"127.0.0.1:{port}\" }} ]
routes: [ {} ]
upstreams: {{ {} }}
telemetry: {{ metrics: {{ bind: \"127.0.0.1:{status}\", needs: [ c ] }} }}
admin: {{ socket: \"{{dir}}/admin.sock\" }}
",
        routes.join(", "),
        upstreams
    )
}

/// What the admin socket answers.
fn local(running: &Weir, method: &str, path: &str, body: &str) -> (u16, Value) {
    let socket = running.socket().display().to_string();
    let url = format!("http://weir{path}");
    let (code, text) = curl(&["--unix-socket", &socket, "-X", method, "--data-raw", body, &url]);
    (code, serde_json::from_str(&text).unwrap_or(Value::Null))
}

fn pages() -> Result<(), Failed> {
    let running = Weir::start(&crowded(free_port(), free_port()));
    for last in 1..=5 {
        assert_eq!(
            local(&running, "POST", "/v1/shield/bans", &format!("{{\"address\":\"198.51.100.{last}\"}}")).0,
            200
        );
    }
    let follow = |path: &str, list: &str, key: &str| {
        let (mut next, mut seen, mut pages) = (format!("{path}?limit=2"), Vec::new(), 0);
        loop {
            let (code, page) = local(&running, "GET", &next, "");
            assert_eq!(code, 200, "{next}: {page}");
            seen.extend(
                page[list].as_array().unwrap().iter().map(|item| item[key].as_str().unwrap().to_owned()),
            );
            pages += 1;
            let Some(more) = page["next"].as_str() else { return (seen, pages) };
            next = more.to_owned();
        }
    };
    let (upstreams, count) = follow("/v1/upstreams", "upstreams", "upstream");
    assert_eq!((upstreams.concat().as_str(), count), ("abcde", 3));
    let (mut bans, count) = follow("/v1/shield/bans", "items", "source");
    bans.sort();
    let all: Vec<String> = (1..=5).map(|last| format!("198.51.100.{last}")).collect();
    assert_eq!((bans, count), (all, 3), "nobody is missing and nobody comes twice");
    assert_eq!(follow("/v1/generations", "kept", "hash").1, 1);
    for query in ["limit=0", "limit=10001", "after=x", "page=2"] {
        assert_eq!(local(&running, "GET", &format!("/v1/upstreams?{query}"), "").0, 400, "{query}");
    }
    Ok(())
}

fn rehearsed() -> Result<(), Failed> {
    let (port, status) = (free_port(), free_port());
    let running = Weir::start(&crowded(port, status));
    let before = local(&running, "GET", "/v1/status", "").1;
    let check = |method: &str, path: &str, body: &str, expect: u16, says: &str| {
        let (code, told) = local(&running, method, &format!("{path}?dry_run=true"), body);
        assert!(code == expect && told.to_string().contains(says), "{path} {body}: {code} {told}");
    };
    let file = |text: &str| json!({ "files": [ { "name": "next.yaml", "text": text } ] }).to_string();
    let next = crowded(port, status).replace("match: /a,", "match: /z,");
    let next = next.replace("{dir}", running.room.path().to_str().ok_or("a path")?);
    check("POST", "/v1/reload", &file("nonsense"), 422, "E01");
    check("POST", "/v1/reload", &file(&next), 200, "\"differs\":true");
    check("PUT", "/v1/config", &file(&next), 200, "\"dry_run\":true");
    check("POST", "/v1/rollback", "", 422, "no earlier configuration");
    check("POST", "/v1/confirm", "", 422, "nothing waits");
    let steer = |target: &str, wish: &str| format!("{{\"upstream\":\"a\",\"target\":\"{target}\",{wish}}}");
    check("POST", "/v1/upstreams", &steer("127.0.0.1:9", "\"drained\":true"), 200, "a 127.0.0.1:9");
    check("POST", "/v1/upstreams", &steer("127.0.0.1:8", "\"drained\":true"), 422, "127.0.0.1:9");
    check("POST", "/v1/upstreams", &steer("127.0.0.1:9", "\"weight\":0"), 422, "weight");
    check("PUT", "/v1/shield/bans/198.51.100.7", "{}", 200, "\"is_banned\":false");
    check("POST", "/v1/shield/bans", "{\"address\":\"203.0.113.9\"}", 422, "never banned");
    check("DELETE", "/v1/shield/bans/198.51.100.7", "", 200, "\"is_banned\":false");
    let after = local(&running, "GET", "/v1/status", "").1;
    assert_eq!(
        (&after["generation"], &after["config_hash"]),
        (&before["generation"], &before["config_hash"])
    );
    let (_, upstreams) = local(&running, "GET", "/v1/upstreams", "");
    assert!(!upstreams.to_string().contains("drained\""), "{upstreams}");
    assert_eq!(local(&running, "GET", "/v1/shield/bans", "").1["items"], json!([]));
    let words = std::fs::read_to_string(running.room.path().join("stderr"))?;
    assert!(words.contains("admin: dry run") && !words.contains("admin: change"), "{words}");
    Ok(())
}

fn put_twice() -> Result<(), Failed> {
    let (port, status) = (free_port(), free_port());
    let running = Weir::start(&crowded(port, status));
    let text = crowded(port, status).replace("match: /a,", "match: /z,");
    let text = text.replace("{dir}", running.room.path().to_str().ok_or("a path")?);
    let body = json!({ "files": [ { "name": "next.yaml", "text": text } ] }).to_string();
    for round in 0..3 {
        let (code, told) = local(&running, "PUT", "/v1/config", &body);
        assert_eq!((code, &told["generation"]), (200, &json!(2)), "round {round}: {told}");
    }
    assert_eq!(local(&running, "POST", "/v1/reload", &body).1["generation"], 3, "a reload is one each time");
    for _ in 0..3 {
        assert_eq!(local(&running, "PUT", "/v1/shield/bans/198.51.100.7", "{\"seconds\":600}").0, 200);
    }
    let bans = local(&running, "GET", "/v1/shield/bans", "").1["items"].clone();
    assert_eq!((bans.as_array().unwrap().len(), &bans[0]["nth"]), (1, &json!(1)), "{bans}");
    let words = std::fs::read_to_string(running.room.path().join("stderr"))?;
    let line = words.lines().find(|line| line.contains("admin: change") && line.contains("/v1/config"));
    let line = line.ok_or("the change is in the log")?;
    let hash = |name: &str| {
        let rest = line.split_once(&format!("{name}=")).unwrap().1;
        rest.split_whitespace().next().unwrap().trim_matches('"').to_owned()
    };
    assert_ne!(hash("before"), hash("after"), "which configuration it was and which it is: {line}");
    assert_eq!((hash("before").len(), hash("after").len()), (16, 16), "{line}");
    Ok(())
}

fn needs() -> Result<(), Failed> {
    let status = free_port();
    let running = Weir::start(&crowded(free_port(), status));
    let ready = || curl(&[&format!("http://127.0.0.1:{status}/readyz")]);
    assert_eq!(ready().0, 200);
    assert!(running.ask(&["upstream", "drain", "a", "127.0.0.1:9"]).status.success());
    assert_eq!(ready().0, 200, "nobody needs it");
    assert!(running.ask(&["upstream", "drain", "c", "127.0.0.1:9"]).status.success());
    let (code, said) = ready();
    assert!(code == 503 && said.contains("upstream `c`"), "{said}");
    assert_eq!(curl(&[&format!("http://127.0.0.1:{status}/healthz")]).0, 200, "it lives all the same");
    assert!(running.ask(&["upstream", "undrain", "c", "127.0.0.1:9"]).status.success());
    assert_eq!(ready().0, 200);
    running.rewrite(&crowded(free_port(), status).replace("needs: [ c ]", "needs: [ sea ]"));
    let refused = running.ask(&["reload"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no upstream `sea`"), "{refused:?}");
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
