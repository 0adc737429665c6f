//! Serving, reloading and ending.

use crate::process::{Weir, curl, free_port, until, weir};
use libtest_mimic::{Failed, Trial};
use std::process::{Child, Command, Stdio};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("service::a_request_is_answered_and_counted", answers),
        Trial::test("service::a_request_reaches_its_upstream", forwards),
        Trial::test("service::a_token_is_asked_for", token),
        Trial::test("service::a_route_by_claims_asks_no_policy_twice", by_claims),
        Trial::test("service::a_good_reload_is_taken_and_a_bad_one_changes_nothing", reloads),
        Trial::test("service::an_exchange_in_flight_is_finished_before_the_end", drains),
        Trial::test("service::b55_readiness_comes_first_and_a_second_signal_cuts", readiness),
    ]
}

/// A policy that accepts [`TOKEN`].
pub(crate) const LOGIN: &str = "{ jwt: { keys: [ { algorithm: HS256, secret: 0123456789abcdef0123456789abcdef } ], issuer: test, audience: app } }";
/// Signed with the secret of [`LOGIN`]; good until the year 2100.
pub(crate) const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
    eyJpc3MiOiJ0ZXN0IiwiYXVkIjoiYXBwIiwic3ViIjoiYWRhIiwiZXhwIjo0MTAyNDQ0ODAwfQ.\
    J96kOCPDukDvSCani4MWcFNamBQ4gpVObjO79Fxp5ew";

/// A test server that ends with the test.
pub(crate) struct Origin(Child, pub(crate) u16);

impl Origin {
    pub(crate) fn start() -> Self {
        Self::at(free_port())
    }

    /// One at this port.
    pub(crate) fn at(port: u16) -> Self {
        let child =
            weir().args(["respond", "--bind", &format!("127.0.0.1:{port}")]).stdout(Stdio::null()).spawn();
        let origin = Self(child.unwrap(), port);
        until("the origin answers", || curl(&[&format!("http://127.0.0.1:{port}/")]).0 == 200);
        origin
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn config(port: u16, status: u16, origin: u16, body: &str) -> String {
    format!(
        "version: 1
shield: {{ mode: off }}
listeners: [ {{ name: edge, bind: \"127.0.0.1:{port}\" }} ]
routes:
  - {{ name: hello, match: {{ path: / }}, respond: {{ status: 200, body: {body} }} }}
  - {{ name: on, match: {{ path: /* }}, upstream: origin }}
upstreams: {{ origin: {{ targets: [ \"127.0.0.1:{origin}\" ] }} }}
telemetry: {{ metrics: {{ bind: \"127.0.0.1:{status}\" }} }}
admin: {{ socket: \"{{dir}}/admin.sock\" }}
"
    )
}

fn answers() -> Result<(), Failed> {
    let (port, status) = (free_port(), free_port());
    let weir = Weir::start(&config(port, status, 9, "hello"));
    assert_eq!(curl(&[&format!("http://127.0.0.1:{port}/")]), (200, String::from("hello")));
    let (code, page) = curl(&[&format!("http://127.0.0.1:{status}/metrics")]);
    assert_eq!(code, 200);
    let line = r#"weir_requests_total{listener="edge",route="hello",method="GET",class="2xx"} 1"#;
    assert!(page.lines().any(|have| have == line), "{line}\nnot in\n{page}");
    assert_eq!(curl(&[&format!("http://127.0.0.1:{status}/readyz")]).0, 200);
    assert_eq!(curl(&[&format!("http://127.0.0.1:{status}/v1/status")]).0, 404);
    let said = String::from_utf8(weir.ask(&["status", "-o", "json"]).stdout)?;
    assert!(said.contains("\"state\": \"serving\"") && said.contains("edge"), "{said}");
    Ok(())
}

fn forwards() -> Result<(), Failed> {
    let origin = Origin::start();
    let port = free_port();
    let _weir = Weir::start(&config(port, free_port(), origin.1, "hello"));
    let (code, body) = curl(&["-H", "x-shown: yes", &format!("http://127.0.0.1:{port}/a/b?c=d")]);
    assert_eq!(code, 200, "{body}");
    assert!(body.contains("GET /a/b?c=d HTTP/1.1") && body.contains("x-shown: yes"), "{body}");
    assert!(body.contains("x-forwarded-for: 127.0.0.1"), "{body}");
    Ok(())
}

fn token() -> Result<(), Failed> {
    let origin = Origin::start();
    let port = free_port();
    let policies = format!("policies: {{ login: {LOGIN} }}\n");
    let text =
        config(port, free_port(), origin.1, "hello").replace("path: /* }", "path: /* }, policies: [ login ]");
    let _weir = Weir::start(&format!("{text}{policies}"));
    let url = format!("http://127.0.0.1:{port}/private");
    let (code, head) = curl(&["--include", &url]);
    assert_eq!(code, 401, "{head}");
    assert!(head.to_lowercase().contains("www-authenticate: bearer realm="), "{head}");
    assert_eq!(curl(&["-H", &format!("authorization: Bearer {TOKEN}"), &url]).0, 200);
    let forged = TOKEN.replace("eyJpc3Mi", "eyJpc3Nj");
    assert_eq!(curl(&["-H", &format!("authorization: Bearer {forged}"), &url]).0, 401);
    Ok(())
}

/// A token leads from one route to a better one, whose policies are nearly the same.
fn by_claims() -> Result<(), Failed> {
    let port = free_port();
    let login = LOGIN.replace("issuer:", "forward: false, issuer:");
    let _weir = Weir::start(&format!(
        "version: 1
shield: {{ mode: off }}
listeners: [ {{ name: edge, bind: \"127.0.0.1:{port}\" }} ]
policies:
  login: {login}
  fair: {{ rate_limit: {{ windows: {{ hour: 3 }}, algorithm: fixed, headers: kong }} }}
routes:
  - {{ name: ada, match: {{ path: \"/{{page}}\", claims: {{ sub: ada }} }}, policies: [ fair, login ], respond: {{ status: 200, body: ada, headers: {{ X-Page: \"{{path.page}}\" }} }} }}
  - {{ name: all, match: {{ path: \"/{{other}}\" }}, policies: [ fair, login ], respond: {{ status: 200, body: all }} }}
admin: {{ socket: \"{{dir}}/admin.sock\" }}
"
    ));
    let url = format!("http://127.0.0.1:{port}/seven");
    let bearer = format!("authorization: Bearer {TOKEN}");
    let ask = || curl(&["--include", "-H", &bearer, &url]);
    for left in (0..3).rev() {
        let (status, answer) = ask();
        assert!(status == 200 && answer.ends_with("ada"), "{answer}");
        let answer = answer.to_lowercase();
        assert!(answer.contains("x-page: seven"), "{answer}");
        assert!(answer.contains(&format!("x-ratelimit-remaining-hour: {left}\r\n")), "{answer}");
    }
    assert_eq!(ask().0, 429);
    Ok(())
}

fn reloads() -> Result<(), Failed> {
    let (port, status) = (free_port(), free_port());
    let weir = Weir::start(&config(port, status, 9, "first"));
    let url = format!("http://127.0.0.1:{port}/");
    assert_eq!(curl(&[&url]).1, "first");

    weir.rewrite(&config(port, status, 9, "second"));
    assert!(weir.ask(&["reload"]).status.success());
    assert_eq!(curl(&[&url]).1, "second");

    weir.rewrite("version: 1\nroutes: nonsense\n");
    let refused = weir.ask(&["reload"]);
    assert_eq!(refused.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("E0105"), "{refused:?}");
    assert_eq!(curl(&[&url]).1, "second");

    weir.rewrite(&config(port, status, 9, "third"));
    weir.signal("HUP");
    until("the signal is obeyed", || curl(&[&url]).1 == "third");
    Ok(())
}

fn drains() -> Result<(), Failed> {
    let origin = Origin::start();
    let port = free_port();
    let mut weir = Weir::start(&config(port, free_port(), origin.1, "hello"));
    let slow = format!("http://127.0.0.1:{port}/delay/1500");
    let client =
        Command::new("curl").args(["--silent", "--max-time", "60", &slow]).stdout(Stdio::piped()).spawn()?;
    let metric = || String::from_utf8_lossy(&weir.ask(&["status", "-o", "json"]).stdout).into_owned();
    assert!(metric().contains("serving"));
    until("the request is under way", || {
        let output = Command::new("ss")
            .args(["-Htn", "state", "established", "dport", &format!(":{}", origin.1)])
            .output();
        !output.unwrap().stdout.is_empty()
    });
    weir.signal("TERM");
    let output = client.wait_with_output()?;
    assert!(String::from_utf8_lossy(&output.stdout).contains("/delay/1500"), "{output:?}");
    assert_eq!(weir.end(), Some(0));
    Ok(())
}

/// While balancers take notice new connections are still served; whoever asks twice does not wait for anything.
fn readiness() -> Result<(), Failed> {
    let origin = Origin::start();
    let (port, status) = (free_port(), free_port());
    let limits = "limits: { drain_delay: 1h, drain_timeout: 1h }\n";
    let mut weir = Weir::start(&format!("{}{limits}", config(port, status, origin.1, "hello")));
    let slow = format!("http://127.0.0.1:{port}/delay/60000");
    let mut client = Command::new("curl").args(["--silent", "--max-time", "60", &slow]).spawn()?;
    weir.signal("TERM");
    until("it is not ready", || curl(&[&format!("http://127.0.0.1:{status}/readyz")]).0 == 503);
    assert_eq!(curl(&[&format!("http://127.0.0.1:{port}/")]), (200, String::from("hello")));
    weir.signal("TERM");
    assert_eq!(weir.end(), Some(0));
    assert!(!client.wait()?.success(), "what was on its way is cut");
    Ok(())
}
