//! Tables of origins, preflights and answers.
use super::*;
use crate::scene::{Scene, sent};

const METHOD: (&str, &str) = ("Access-Control-Request-Method", "PUT");

fn some(origins: &[&str]) -> Origins {
    Origins::Some(origins.iter().map(|&origin| origin.into()).collect())
}

#[test]
fn origins_are_compared_whole() {
    let policy = Cors::new(some(&["https://a.example", "https://*.b.example", "http://localhost:3000"]));
    for (origin, expect) in [
        ("https://a.example", true),
        ("https://A.example", false),
        ("http://a.example", false),
        ("https://a.example:8443", false),
        ("https://a.example.evil", false),
        ("https://eviла.example", false),
        ("https://x.b.example", true),
        ("https://x.y.b.example", true),
        ("https://b.example", false),
        ("https://.b.example", false),
        ("https://xb.example", false),
        ("https://x/.b.example", false),
        ("https://u@x.b.example", false),
        ("http://localhost:3000", true),
        ("null", false),
        ("", false),
    ] {
        assert_eq!(policy.allows(origin.as_bytes()), expect, "{origin}");
    }
}

#[test]
fn b19_a_preflight_is_answered_before_anything_else() {
    let policy = Cors {
        credentials: true,
        max_age_s: Some(600),
        private_network: true,
        methods: "GET, PUT".into(),
        ..Cors::new(some(&["https://a.example"]))
    };
    assert_eq!(policy.rank(), Rank::Preflight);
    let asked = [
        ("Origin", "https://a.example"),
        METHOD,
        ("Access-Control-Request-Headers", "x-a, x-b"),
        ("Access-Control-Request-Private-Network", "true"),
    ];
    let mut scene = Scene::new("OPTIONS", "/", &asked);
    let Flow::Reply(reply) = scene.ask(&policy) else { panic!("must answer") };
    assert_eq!((reply.status, reply.reason), (204, None));
    let response = scene.answer(&policy, 204, &[]);
    for (name, expect) in [
        ("Access-Control-Allow-Origin", "https://a.example"),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Allow-Methods", "GET, PUT"),
        ("Access-Control-Allow-Headers", "x-a, x-b"),
        ("Access-Control-Max-Age", "600"),
        ("Access-Control-Allow-Private-Network", "true"),
        ("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
    ] {
        assert_eq!(sent(&response, name), expect, "{name}");
    }
}

#[test]
fn a_preflight_of_a_stranger_is_answered_with_nothing() {
    let policy = Cors::new(some(&["https://a.example"]));
    let mut scene = Scene::new("OPTIONS", "/", &[("Origin", "https://evil.example"), METHOD]);
    assert_eq!(scene.status(&policy), 204);
    let response = scene.answer(&policy, 204, &[]);
    assert_eq!(sent(&response, "Vary"), "Origin");
    assert_eq!(response.head.len(), 1);
}

#[test]
fn what_is_no_preflight_goes_on() {
    let policy = Cors::new(Origins::Any);
    for (method, fields) in [
        ("GET", &[("Origin", "https://a.example"), METHOD][..]),
        ("OPTIONS", &[("Origin", "https://a.example")]),
        ("OPTIONS", &[METHOD]),
    ] {
        assert_eq!(Scene::new(method, "/", fields).status(&policy), 0, "{method} {fields:?}");
    }
    let on = Cors { run_on_preflight: true, ..Cors::new(Origins::Any) };
    let mut scene = Scene::new("OPTIONS", "/", &[("Origin", "https://a.example"), METHOD]);
    assert_eq!(scene.status(&on), 0);
}

#[test]
fn answers_say_one_thing() {
    let check = |policy: Cors, origin: Option<&str>, upstream: &[(&str, &str)], expect: [&str; 3]| {
        let fields: Vec<_> = origin.map(|origin| ("Origin", origin)).into_iter().collect();
        let mut scene = Scene::get(&fields);
        assert_eq!(scene.status(&policy), 0);
        let response = scene.answer(&policy, 200, upstream);
        let names = ["Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Vary"];
        assert_eq!(names.map(|name| sent(&response, name)), expect, "{origin:?} {upstream:?}");
    };
    let open = || Cors { expose: Some("X-A".into()), ..Cors::new(Origins::Any) };
    check(open(), Some("https://a.example"), &[], ["*", "X-A", ""]);
    check(open(), None, &[], ["", "", ""]);
    check(open(), Some("null"), &[("Access-Control-Allow-Origin", "https://b.example")], ["*", "X-A", ""]);
    let with = || Cors { credentials: true, ..Cors::new(Origins::Any) };
    check(
        with(),
        Some("https://a.example"),
        &[("Vary", "Accept")],
        ["https://a.example", "", "Accept, Origin"],
    );
    let some = || Cors::new(some(&["https://a.example"]));
    check(some(), Some("https://evil.example"), &[("Access-Control-Allow-Origin", "*")], ["", "", "Origin"]);
    check(some(), None, &[("Access-Control-Allow-Origin", "*")], ["", "", "Origin"]);
}
