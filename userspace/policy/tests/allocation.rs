//! After warm-up a chain without cryptography judges requests without asking for memory, and so does one that finds a
//! token which it has verified before.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on says where")]

use std::net::IpAddr;
use std::sync::Arc;
use weir_message::{Request, Response, Scheme};
use weir_policy::{Chain, Client, Consumer, End, Flow, Leave, Library, Now, Pass, Visit, Worker};
use weir_schema::{Report, Sources, lookup::Anything, parse};

const EIGHT: &str = "{ verdicts: { score: { bad_token: 5 } } }, request_id, { cors: { origins: https://app.example.com, credentials: true } }, \
    { ip_list: { deny: [ 203.0.113.0/24 ] } }, { size_limit: { body: 1MiB } }, { acl: { allow: premium } }, \
    { rate_limit: { by: [ consumer, header User-Agent ], windows: { second: 1000000, minute: 1000000 } } }, \
    { headers: { request: { set: { X-Tenant: \"{consumer.name}-{client.ip}\" } }, response: { remove: Server } } }";

fn chain(policies: &str) -> Chain {
    let text = format!(
        "version: 1\nlisteners: [ {{ bind: \":80\" }} ]\nroutes: [ {{ match: a.example/*, policies: [ {policies} ], respond: {{ status: 204 }} }} ]\n"
    );
    let config = Arc::new(parse(&Sources::one("test.yaml", text), &Anything).config.unwrap());
    let mut report = Report::default();
    let files = |_: &str| {
        Ok(br#"{"keys":[{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}]}"#.to_vec())
    };
    let mut library = Library::new(&config, None, &files, &mut report);
    let chain = library.chain("r", &config.routes[0].value.policies, &files, &mut report);
    assert!(!report.has_errors(), "{report:?}");
    chain
}

/// How often memory was asked for in a hundred requests, after a hundred others.
fn allocations(chain: &Chain, fields: &[(&str, &str)]) -> u64 {
    let (mut request, mut response) = (Request::default(), Response::default());
    let (mut worker, mut pass) = (Worker::default(), Pass::default());
    let client = Client::direct(IpAddr::from([192, 0, 2, 1]));
    // RFC 7515, appendix A.1: the token expires at 1300819380.
    let now = Now { wall_ms: 1_300_819_000_000, mono_ns: 1 << 40 };
    let consumer =
        Arc::new(Consumer { name: "mobile".into(), groups: vec!["premium".into()], ..Consumer::default() });
    let mut judge = || {
        request.begin(Scheme::Https, b"GET", b"a.example", b"/v1/orders?a=1");
        for (name, value) in fields {
            request.head.append(name, value.as_bytes()).unwrap();
        }
        request.settle(weir_message::uri::Rules::default()).unwrap();
        response.begin(200);
        response.head.append("Server", b"x").unwrap();
        pass.clear();
        pass.identity.consumer = Some(Arc::clone(&consumer));
        let (request, response, worker, pass, client, route) =
            (&mut request, &mut response, &mut worker, &mut pass, &client, "r");
        let flow = chain.request(&mut Visit { request, client, route, now, worker, pass });
        assert!(matches!(flow, Flow::Next), "{flow:?}");
        chain.response(&mut Leave { request, response, client, route, now, worker, pass });
        chain.finish(&mut End { status: 200, now, pass });
    };
    (0..100).for_each(|_| judge());
    allocation_counter::measure(|| (0..100).for_each(|_| judge())).count_total
}

#[test]
fn a_chain_of_eight_asks_for_no_memory() {
    let fields = [("User-Agent", "curl"), ("Origin", "https://app.example.com"), ("X-Request-ID", "1")];
    assert_eq!(allocations(&chain(EIGHT), &fields), 0);
}

#[test]
fn a_known_token_asks_for_no_memory() {
    let token = "Bearer eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let jwt =
        "{ jwt: { jwks_file: /keys.json, issuer: joe, consumer_claim: iss, to_headers: { X-Issuer: iss } } }";
    assert_eq!(allocations(&chain(jwt), &[("Authorization", token)]), 0);
}

#[test]
fn the_counter_counts() {
    assert!(allocation_counter::measure(|| drop(std::hint::black_box(vec![1_u8]))).count_total > 0);
}
