//! Keys in requests.
use super::*;
use crate::scene::{Scene, sent};

fn credentials() -> Arc<Credentials> {
    let consumer = |name: &str| {
        Arc::new(Consumer { name: name.into(), groups: vec!["g".into()], ..Consumer::default() })
    };
    let mut credentials = Credentials::default();
    credentials.insert("correct horse", consumer("a"));
    // SHA-256 of "abc" (FIPS 180-4, example B.1).
    credentials
        .insert("sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", consumer("b"));
    Arc::new(credentials)
}

fn policy() -> KeyAuth {
    let from =
        vec![Place::Header("X-API-Key".into()), Place::Query("key".into()), Place::Cookie("key".into())];
    KeyAuth::new(credentials(), from)
}

fn check(fields: &[(&str, &str)], status: u16, consumer: Option<&str>) {
    let mut scene = Scene::get(fields);
    assert_eq!(scene.status(&policy()), status, "{fields:?}");
    assert_eq!(scene.field("X-Consumer-Username").as_deref(), consumer, "{fields:?}");
}

#[test]
fn keys_name_their_consumers() {
    check(&[("X-API-Key", "correct horse")], 0, Some("a"));
    check(&[("x-api-key", "abc"), ("X-Consumer-Username", "root")], 0, Some("b"));
    check(&[("Cookie", "x=1; key=abc")], 0, Some("b"));
}

#[test]
fn b16_the_upstream_is_told_whose_key_it_was_and_which() {
    let forged = [("X-Credential-Identifier", "1"), ("X-Consumer-ID", "root"), ("X-API-Key", "abc")];
    let mut scene = Scene::get(&forged);
    assert_eq!(scene.status(&policy()), 0);
    assert_eq!(scene.field("X-Credential-Identifier").as_deref(), Some("ba7816bf8f01cfea"));
    assert_eq!(scene.field("X-Consumer-ID").as_deref(), Some("b"));
    assert_eq!(scene.request.head.values("X-Credential-Identifier").count(), 1);
}

#[test]
fn f11_one_key_in_one_place_exactly() {
    check(&[], 401, None);
    check(&[("X-API-Key", "")], 401, None);
    check(&[("X-API-Key", "ABC")], 401, None);
    check(&[("X-API-Key", "abc ")], 401, None);
    check(
        &[("X-API-Key", "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")],
        401,
        None,
    );
    check(&[("X-API-Key", &"a".repeat(1_025))], 401, None);
    check(&[("X-API-Key", "abc"), ("X-API-Key", "abc")], 400, None);
    check(&[("X-API-Key", "abc"), ("Cookie", "key=abc")], 400, None);
    check(&[("X-API-Key", "wrong"), ("X-Consumer-Username", "root")], 401, None);
    check(&[("X-API-Key", "wrong"), ("X-API-Key", "abc")], 400, None);
    check(&[("X-API-Key", "abc, abc")], 401, None);
    check(&[("X-API-Key", "Abc")], 401, None);
    for (target, fields, status) in [
        ("/a?key=abc", &[][..], 0),
        ("/a?key=abc", &[("X-API-Key", "abc")], 400),
        ("/a?key=abc&key=abc", &[], 400),
        ("/a?key=%61bc", &[], 401),
        ("/a?KEY=abc", &[], 401),
        ("/a?key=abc%00", &[], 401),
    ] {
        assert_eq!(Scene::new("GET", target, fields).status(&policy()), status, "{target} {fields:?}");
    }
}

#[test]
fn b17_the_challenge_names_the_scheme() {
    let policy = policy().realm("internal");
    let mut scene = Scene::get(&[]);
    assert_eq!(scene.status(&policy), 401);
    assert_eq!(sent(&scene.answer(&policy, 401, &[]), "WWW-Authenticate"), "Key realm=\"internal\"");
    let mut scene = Scene::get(&[("X-API-Key", "abc")]);
    assert_eq!(scene.status(&policy), 0);
    assert_eq!(sent(&scene.answer(&policy, 401, &[]), "WWW-Authenticate"), "", "the upstream's own refusal");
}

#[test]
fn hidden_keys_do_not_reach_the_upstream() {
    let mut scene = Scene::new("GET", "/a?key=abc&b=1", &[]);
    assert_eq!(scene.status(&policy().forward(false)), 0);
    assert_eq!(scene.request.query(), Some(&b"b=1"[..]));
    let mut scene = Scene::get(&[("X-API-Key", "abc")]);
    assert_eq!((scene.status(&policy().forward(false)), scene.field("X-API-Key")), (0, None));
}

#[test]
fn anonymous_is_for_those_without_a_key() {
    let guest = Arc::new(Consumer { name: "guest".into(), ..Consumer::default() });
    let policy = policy().anonymous(Some(guest));
    let mut scene = Scene::get(&[]);
    assert_eq!((scene.status(&policy), scene.field("X-Consumer-Username").as_deref()), (0, Some("guest")));
    assert!(!scene.pass.identity.authenticated);
    assert_eq!(Scene::get(&[("X-API-Key", "wrong")]).status(&policy), 401);
}

#[test]
fn keys_are_not_kept() {
    let shown = format!("{:?}", credentials());
    assert_eq!(shown, "Credentials(2)");
}
