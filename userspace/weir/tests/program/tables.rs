//! Tables that are full: what has to go, what stays, and which metric says so.

use crate::process::{Weir, ask_over, curl, dial, free_port};
use crate::upstreams::base64;
use aws_lc_rs::hmac;
use libtest_mimic::{Failed, Trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("tables::a_limit_that_has_no_room_forgets_whom_it_has_counted_least", limits),
        Trial::test("tables::tokens_that_have_no_room_are_verified_anew", tokens),
    ]
}

/// A worker with one policy before its only route.
fn start(policy: &str, port: u16, status: u16) -> Weir {
    Weir::start(&format!(
        "version: 1
shield: {{ mode: off }}
limits: {{ workers: 1 }}
listeners: [ {{ name: edge, bind: \"127.0.0.1:{port}\" }} ]
policies: {{ narrow: {policy} }}
routes: [ {{ match: {{ path: /* }}, policies: [ narrow ], respond: {{ status: 200, body: hello }} }} ]
telemetry: {{ metrics: {{ bind: \"127.0.0.1:{status}\" }} }}
admin: {{ socket: \"{{dir}}/admin.sock\" }}
"
    ))
}

/// What a metric says about the policy.
fn metric(name: &str, status: u16) -> u64 {
    let (_, page) = curl(&[&format!("http://127.0.0.1:{status}/metrics")]);
    let start = format!("{name}{{rule=\"narrow\"}} ");
    let line = page.lines().find_map(|line| line.strip_prefix(&start));
    line.unwrap_or_else(|| panic!("no {name} in {page}")).parse().unwrap()
}

const KEYS_MAX: u64 = 16;

fn limits() -> Result<(), Failed> {
    const FORGOTTEN: &str = "weir_rate_limit_keys_forgotten_total";
    let (port, status) = (free_port(), free_port());
    let policy = format!(
        "{{ rate_limit: {{ by: header X-Who, windows: {{ year: 3 }}, keys_max: {KEYS_MAX}, headers: none }} }}"
    );
    let _weir = start(&policy, port, status);
    let mut client = dial("127.0.0.1", &format!("127.0.0.1:{port}"));
    let mut ask = |who: &str| ask_over(&mut client, &format!("X-Who: {who}\r\n"));
    assert_eq!([200, 200, 200, 429], [(); 4].map(|()| ask("busy")));
    assert_eq!(metric(FORGOTTEN, status), 0, "there is room for one");
    for number in 0..200 {
        assert_eq!(ask(&number.to_string()), 200, "a new key is never refused for want of room");
    }
    // The table has places for twice as many, so that nearly all of so many find theirs.
    let forgotten = metric(FORGOTTEN, status);
    assert!((201 - 2 * KEYS_MAX..201).contains(&forgotten), "{forgotten}");
    assert_eq!(ask("busy"), 429, "whoever is over the limit stays over it");
    Ok(())
}

fn tokens() -> Result<(), Failed> {
    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    let (port, status) = (free_port(), free_port());
    let policy = format!("{{ jwt: {{ keys: [ {{ algorithm: HS256, secret: {SECRET} }} ], cache: 4 }} }}");
    let _weir = start(&policy, port, status);
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let token = |number: u32| {
        let claims = format!("{{\"sub\":\"{number}\",\"exp\":4102444800}}");
        let signed = format!("{}.{}", base64(b"{\"alg\":\"HS256\"}"), base64(claims.as_bytes()));
        format!("{signed}.{}", base64(hmac::sign(&key, signed.as_bytes()).as_ref()))
    };
    let mut client = dial("127.0.0.1", &format!("127.0.0.1:{port}"));
    let mut ask = |number: u32| {
        assert_eq!(ask_over(&mut client, &format!("Authorization: Bearer {}\r\n", token(number))), 200);
    };
    let told =
        || ["verified", "forgotten"].map(|what| metric(&format!("weir_jwt_tokens_{what}_total"), status));
    (0..4).for_each(&mut ask);
    (0..4).for_each(&mut ask);
    assert_eq!(told(), [4, 0], "four are remembered");
    (4..24).for_each(&mut ask);
    assert_eq!(told(), [24, 20], "each of the twenty took the place of another");
    (0..4).for_each(&mut ask);
    assert_eq!(told(), [28, 24], "who was forgotten is verified anew, and passes");
    Ok(())
}
