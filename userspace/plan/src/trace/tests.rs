//! A request followed, in words.

use std::net::Ipv4Addr;

use weir_message::{Request, Scheme, uri};

use super::trace;
use crate::compile::tests::plan;
use crate::id::ListenerId;
use crate::router::Ask;

const TEXT: &str = "listeners: [ { name: edge, bind: ':80' } ]
upstreams:
  users: { targets: [ 10.0.0.1:80, 10.0.0.2:80 ], balance: { maglev: [ header X-User, ip ] } }
  other: { targets: [ 10.0.0.3:80 ] }
routes:
  - { name: posted, match: { path: '/users/{id}', methods: POST }, respond: { status: 202, body: ok } }
  - { name: user, match: { path: '/users/{id}' }, upstream: users }
  - { name: elsewhere, match: b.net/*, redirect: https }
  - { name: rest, match: /rest/*, split: [ { upstream: users, weight: 3 }, { upstream: other } ] }
";

#[track_caller]
fn check(target: &str, header: Option<(&str, &str)>, expect: &str) {
    let plan = plan(TEXT);
    let mut request = Request::default();
    request.begin(Scheme::Http, b"GET", b"a.net", target.as_bytes());
    if let Some((name, value)) = header {
        request.head.append(name, value.as_bytes()).unwrap();
    }
    request.settle(uri::Rules::default()).unwrap();
    let client = Ipv4Addr::new(192, 0, 2, 7).to_ipv6_mapped();
    let ask = Ask { request: &request, listener: ListenerId(0), client, sni: None, identity: None };
    assert_eq!(trace(&plan, &ask).to_string(), expect);
}

#[test]
fn each_step_is_told() {
    check(
        "/users/17",
        Some(("X-User", "alice")),
        "listener  edge
  not     elsewhere  b.net/*: its host is another one
  not     posted  */users/{id}: it is for other methods: POST
route     user  */users/{id}
  capture id = 17
action    The upstream `users` answers.
upstream  users (100 %) -> 10.0.0.1:80  By the table, hashing `header X-User`.
",
    );
    check(
        "/rest/x",
        None,
        "listener  edge
  not     elsewhere  b.net/*: its host is another one
  not     posted  */users/{id}: its path is another one
  not     user  */users/{id}: its path is another one
route     rest  */rest/*
action    One of several upstreams answers, drawn by weight.
upstream  users (75 %) -> 10.0.0.1:80  By the table, hashing `ip`.
upstream  other (25 %) -> any target  The targets take turns.
",
    );
    check(
        "/none",
        None,
        "listener  edge
  not     elsewhere  b.net/*: its host is another one
  not     posted  */users/{id}: its path is another one
  not     user  */users/{id}: its path is another one
  not     rest  */rest/*: its path is another one
action    No route answers: 404.
",
    );
}
