//! What a configuration would do, said before it does it: `weir diff` and `weir trace`.

use crate::process::{Weir, free_port, weir, write_config};
use libtest_mimic::{Failed, Trial};
use std::path::Path;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("plans::two_files_are_told_apart_in_words", two_files),
        Trial::test("plans::the_running_program_is_compared_with_its_file", running),
        Trial::test("plans::a_request_is_followed_to_its_target", followed),
        Trial::test("plans::what_lies_outside_is_left_alone_if_that_is_wished", offline),
        Trial::test("plans::a_request_that_fits_no_listener_is_refused", no_listener),
    ]
}

const EDGE: &str = "version: 1
shield: { mode: off }
listeners:
  - { name: edge, bind: \":80\", policies: [ door ] }
  - { name: old, bind: \":81\", redirect: https }
  - { name: mail, bind: \":25\", tcp: api }
policies: { door: { ip_list: { deny: [ 10.66.0.0/16 ] } }, fair: { rate_limit: { rate: 10/s } } }
routes:
  - { name: posted, match: { hosts: a.test, path: '/users/{id}', methods: POST }, respond: { status: 202 } }
  - { name: user, match: { hosts: a.test, path: '/users/{id}' }, policies: [ fair ], upstream: api }
upstreams:
  api: { targets: [ 10.0.0.1:80, 10.0.0.2:80, 10.0.0.3:80 ], balance: { maglev: [ header X-User, ip ] } }
";

/// Runs a verb; it must end with this code and print this.
fn check(arguments: &[&str], code: i32, expect: &str) -> Result<(), Failed> {
    let output = weir().args(arguments).output()?;
    let (out, err) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    if output.status.code() != Some(code) || out != expect {
        return Err(format!("{}\n{out}\n{err}\nin place of {code}\n{expect}", output.status).into());
    }
    Ok(())
}

fn written(room: &Path, name: &str, text: &str) -> Result<String, Failed> {
    let directory = room.join(name);
    std::fs::create_dir_all(&directory)?;
    Ok(write_config(&directory, text).to_str().ok_or("a path")?.to_owned())
}

fn two_files() -> Result<(), Failed> {
    let room = tempfile::tempdir()?;
    let before = written(room.path(), "before", EDGE)?;
    let text = EDGE
        .replace("\":80\"", "[ \":80\", \":8080\" ]")
        .replace("  - { name: old, bind: \":81\", redirect: https }\n", "")
        .replace(", 10.0.0.3:80", "")
        .replace("rate: 10/s", "rate: 20/s");
    let after =
        written(room.path(), "after", &format!("{text}limits: {{ workers: 2, buffer_memory: 256MiB }}\n"))?;
    check(&["diff", "-c", &before, "--against", &before], 0, "Nothing differs.\n")?;
    check(&["diff", "-c", &after, "--against", &before], 1, include_str!("plans/diff.txt"))?;
    let broken = written(room.path(), "broken", "version: 1\nroutes: nonsense\n")?;
    check(&["diff", "-c", &broken, "--against", &before], 2, "")
}

fn running() -> Result<(), Failed> {
    let config = |body: &str, port: u16| {
        format!(
            "version: 1\nshield: {{ mode: off }}\nadmin: {{ socket: \"{{dir}}/admin.sock\" }}\n\
             listeners: [ {{ name: edge, bind: \"127.0.0.1:{port}\" }} ]\n\
             routes: [ {{ name: hello, match: /, respond: {{ body: {body} }} }} ]\n"
        )
    };
    let port = free_port();
    let weir = Weir::start(&config("first", port));
    let same = weir.ask(&["diff"]);
    assert_eq!((same.status.code(), &*same.stdout), (Some(0), &b"Nothing differs.\n"[..]), "{same:?}");
    weir.rewrite(&config("second", port));
    let told = weir.ask(&["diff", "-o", "json"]);
    let words = String::from_utf8(told.stdout)?;
    assert_eq!(told.status.code(), Some(1), "{words}");
    for says in ["\"name\": \"hello\"", "\"before\": \"first\"", "\"after\": \"second\"", "\"generation\": 1"]
    {
        assert!(words.contains(says), "{says} is not in {words}");
    }
    assert!(weir.ask(&["reload"]).status.success());
    assert_eq!(weir.ask(&["diff"]).status.code(), Some(0));
    weir.rewrite("version: 1\nroutes: nonsense\n");
    let refused = weir.ask(&["diff"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("E0105"), "{refused:?}");
    Ok(())
}

fn followed() -> Result<(), Failed> {
    let room = tempfile::tempdir()?;
    let file = written(room.path(), "a", EDGE)?;
    let trace =
        |arguments: &[&str], expect: &str| check(&[&["trace", "-c", &file], arguments].concat(), 0, expect);
    trace(
        &["GET", "http://a.test/users/17?x=1", "-H", "X-User: alice", "--from", "10.1.2.3"],
        "listener  edge
  not     posted  a.test/users/{id}: it is for other methods: POST
route     user  a.test/users/{id}
  capture id = 17
policy    door
policy    fair
action    The upstream `api` answers.
upstream  api (100 %) -> 10.0.0.1:80  By the table, hashing `header X-User`.
",
    )?;
    trace(
        &["GET", "http://b.test"],
        "listener  edge
  not     posted  a.test/users/{id}: its host is another one
  not     user  a.test/users/{id}: its host is another one
policy    door
action    No route answers: 404.
",
    )?;
    trace(
        &["GET", "http://a.test:81/"],
        "listener  old\naction    The client is sent to `https://{host}{path}{query}` with 308.\n",
    )?;
    trace(
        &["GET", "http://a.test/", "--listener", "mail", "--from", "10.1.2.3"],
        "listener  mail
action    Its bytes are carried to the upstream `api`.
upstream  api (100 %) -> 10.0.0.3:80  By the table, hashing `ip`.
",
    )
}

/// Of another machine: nothing that it refers to is here.
const ELSEWHERE: &str = "version: 1
shield: { mode: off }
listeners:
  - { name: web, bind: \":8443\", tls: { certificate: /nonexistent/cert.pem, key: /nonexistent/key.pem } }
policies:
  login: { jwt: { jwks_file: /nonexistent/keys.json, issuer: \"${ISSUER}\" } }
  slow: { rate_limit: { rate: 1/s } }
consumers:
  mobile: { claims: { sub: m }, keys: \"${file:/nonexistent/key}\", policies: [ slow, { size_limit: { body: 1KiB } } ] }
  batch: { claims: { sub: b }, policies: [ slow ] }
  guest: { claims: { sub: g } }
routes: [ { name: all, match: /*, policies: [ login ], upstream: api } ]
upstreams:
  api: { targets: [ 10.0.0.1:80, 10.0.0.2:80 ], balance: { maglev: [ consumer, ip ] }, tls: { ca: /nonexistent/ca.pem } }
";

fn offline() -> Result<(), Failed> {
    let room = tempfile::tempdir()?;
    let file = written(room.path(), "elsewhere", ELSEWHERE)?;
    let asked = ["trace", "-c", &file, "GET", "https://a.test/"];
    let refused = weir().args(asked).output()?;
    assert_eq!(refused.status.code(), Some(78), "{refused:?}");
    let offline =
        |more: &[&str], expect: &str| check(&[&asked[..], &["--offline"], more].concat(), 0, expect);
    offline(
        &[],
        "listener  web
route     all  */*
policy    login
  then    its own, if the consumer is one of batch, mobile; --as shows them
action    The upstream `api` answers.
upstream  api (100 %) -> 10.0.0.1:80  By the table, hashing `ip`.
",
    )?;
    offline(
        &["--as", "mobile"],
        "listener  web
route     all  */*
policy    login
policy    consumers.mobile/size_limit-2
policy    slow
action    The upstream `api` answers.
upstream  api (100 %) -> 10.0.0.1:80  By the table, hashing `consumer`.
",
    )?;
    let unknown = weir().args(asked).args(["--offline", "--as", "nobody"]).output()?;
    assert_eq!(unknown.status.code(), Some(2));
    let words = String::from_utf8(unknown.stderr)?;
    assert!(words.contains("no consumer `nobody`") && words.contains("batch, guest, mobile"), "{words}");

    assert_eq!(weir().args(["render", "-c", &file]).output()?.status.code(), Some(78));
    let rendered = weir().args(["render", "--offline", "-c", &file]).output()?;
    let text = String::from_utf8(rendered.stdout)?;
    assert!(rendered.status.success() && text.contains("/nonexistent/cert.pem"), "{text}");
    assert!(text.contains("${ISSUER}") && !text.contains("BEGIN NOTHING"), "{text}");
    Ok(())
}

fn no_listener() -> Result<(), Failed> {
    let room = tempfile::tempdir()?;
    let file = written(room.path(), "a", EDGE)?;
    let output = weir().args(["trace", "GET", "https://a.test/", "-c", &file]).output()?;
    assert_eq!(output.status.code(), Some(2));
    let words = String::from_utf8(output.stderr)?;
    assert!(words.contains("no listener has port 443") && words.contains("edge, old, mail"), "{words}");
    Ok(())
}
