//! Tokens in requests: where they stand, what is refused and how, what the upstream sees.
use super::*;
use crate::jwt::tests::base64url::encode;
use crate::jwt::{ClaimRule, Key, KeySet, Rules};
use crate::scene::{Scene, sent};
use aws_lc_rs::hmac;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const CLAIMS: &str = r#"{"sub":"mobile","exp":1700000600,"tenant":"t1","roles":["admin"],"scope":"read"}"#;

fn token(header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), signed.as_bytes());
    format!("{signed}.{}", encode(tag.as_ref()))
}

fn good() -> String {
    token(r#"{"alg":"HS256"}"#, CLAIMS)
}

fn policy_with(rules: Rules) -> Jwt {
    let keys = KeySet::new(vec![Key::from_secret(SECRET, None).unwrap()]);
    let mut consumers = Consumers::default();
    consumers.insert(Consumer {
        name: "mobile".into(),
        groups: vec!["premium".into(), "eu".into()],
        ..Consumer::default()
    });
    Jwt {
        to_headers: vec![
            ("X-Tenant".into(), ClaimPath::new("tenant")),
            ("X-Absent".into(), ClaimPath::new("absent")),
        ],
        consumers: Arc::new(consumers),
        groups_claim: Some(Arc::new(ClaimPath::new("roles"))),
        ..Jwt::new(Arc::new(Verifier::new(rules, keys)), Source::Fixed)
    }
}

fn policy() -> Jwt {
    policy_with(Rules::default())
}

/// The status and the challenge that a client gets.
fn verdict(policy: &Jwt, scene: &mut Scene) -> (u16, String) {
    match scene.status(policy) {
        0 => (0, sent(&scene.answer(policy, 200, &[]), "WWW-Authenticate")),
        status => (status, sent(&scene.answer(policy, status, &[]), "WWW-Authenticate")),
    }
}

#[test]
fn a_good_token_becomes_an_identity() {
    let authorization = format!("Bearer {}", good());
    let mut scene = Scene::get(&[
        ("Authorization", &authorization),
        ("X-Tenant", "forged"),
        ("x-consumer-username", "root"),
        ("X-CONSUMER-Custom-ID", "1"),
        ("X-Credential-Identifier", "1"),
        ("X-Absent", "forged"),
        ("X-Other", "kept"),
    ]);
    assert_eq!(verdict(&policy(), &mut scene), (0, String::new()));
    for (name, expect) in [
        ("X-Tenant", Some("t1")),
        ("X-Absent", None),
        ("X-Consumer-Username", Some("mobile")),
        ("X-Consumer-Groups", Some("premium, eu")),
        ("X-Consumer-ID", Some("mobile")),
        ("X-Consumer-Custom-ID", None),
        ("X-Credential-Identifier", Some("mobile")),
        ("X-Other", Some("kept")),
        ("Authorization", Some(authorization.as_str())),
    ] {
        assert_eq!(scene.field(name).as_deref(), expect, "{name}");
    }
    assert_eq!(scene.request.head.values("X-Consumer-Username").count(), 1);
    let identity = &scene.pass.identity;
    assert!(
        identity.authenticated
            && identity.is_in("premium")
            && identity.is_in("admin")
            && !identity.is_in("root")
    );
}

#[test]
fn b12_challenges_say_what_is_wrong() {
    let check = |fields: &[(&str, &str)], status: u16, challenge: &str| {
        assert_eq!(verdict(&policy(), &mut Scene::get(fields)), (status, challenge.to_owned()), "{fields:?}");
    };
    let (token, expired) =
        (format!("bEARER  {}", good()), format!("Bearer {}", token(r#"{"alg":"HS256"}"#, r#"{"exp":1}"#)));
    check(&[], 401, "Bearer realm=\"weir\"");
    check(&[("Authorization", "Basic YTpi")], 401, "Bearer realm=\"weir\"");
    check(&[("Authorization", &token)], 0, "");
    check(
        &[("Authorization", &token), ("Authorization", &token)],
        400,
        "Bearer realm=\"weir\", error=\"invalid_request\"",
    );
    let invalid = |words: &str| {
        format!("Bearer realm=\"weir\", error=\"invalid_token\", error_description=\"{words}\"")
    };
    check(&[("Authorization", &expired)], 401, &invalid("token expired"));
    check(&[("Authorization", "Bearer x")], 401, &invalid("malformed token"));
    check(&[("Authorization", "Bearer ")], 401, &invalid("malformed token"));
}

#[test]
fn b12_a_lacking_scope_is_forbidden() {
    let rule = ClaimRule { path: ClaimPath::new("scope"), test: ClaimTest::Contains("write".into()) };
    let policy = policy_with(Rules { claims: vec![rule], ..Rules::default() });
    let mut scene = Scene::get(&[("Authorization", &format!("Bearer {}", good()))]);
    let challenge = "Bearer realm=\"weir\", error=\"insufficient_scope\", scope=\"write\"";
    assert_eq!(verdict(&policy, &mut scene), (403, challenge.to_owned()));
    assert!(!scene.pass.identity.authenticated && scene.pass.identity.claims.is_none());
}

#[test]
fn every_refusal_is_told_in_its_own_words() {
    for refusal in Challenge::INVALID {
        assert_eq!(Challenge::parse(Challenge::Invalid(refusal).number()), Challenge::Invalid(refusal));
    }
    for challenge in
        [Challenge::Missing, Challenge::Several, Challenge::Insufficient(0), Challenge::Insufficient(9)]
    {
        assert_eq!(Challenge::parse(challenge.number()), challenge);
    }
}

#[test]
fn b13_tokens_stand_where_they_are_looked_for() {
    let from = |forward: bool| Jwt {
        from: vec![
            Place::Header("Authorization".into()),
            Place::Header("X-Token".into()),
            Place::Query("access_token".into()),
            Place::Cookie("jwt".into()),
        ],
        forward,
        ..policy()
    };
    let (good, target) = (good(), format!("/a?b=1&access_token={}&c", good()));
    let mut scene = Scene::new("GET", &target, &[]);
    assert_eq!(scene.status(&from(true)), 0);
    assert_eq!(scene.request.query(), Some(&b"b=1&c"[..]), "a token in the query never goes on");
    assert_eq!(sent(&scene.answer(&from(true), 200, &[]), "Cache-Control"), "");
    let policy = from(true);
    let mut scene = Scene::new("GET", &target, &[]);
    assert_eq!(scene.status(&policy), 0);
    assert_eq!(
        sent(&scene.answer(&policy, 200, &[("Cache-Control", "public")]), "Cache-Control"),
        "no-store"
    );

    let cookie = format!("a=1; jwt={good}; b=2");
    let mut scene = Scene::get(&[("Cookie", &cookie)]);
    assert_eq!((scene.status(&from(false)), scene.field("Cookie").as_deref()), (0, Some("a=1; b=2")));
    let mut scene = Scene::get(&[("X-Token", &good)]);
    assert_eq!((scene.status(&from(false)), scene.field("X-Token")), (0, None));
    let mut scene = Scene::new("GET", &target, &[("X-Token", &good)]);
    assert_eq!(scene.status(&from(true)), 400, "two places, two tokens");
    let mut scene = Scene::get(&[("Authorization", &format!("Bearer {good}"))]);
    assert_eq!(
        (scene.status(&Jwt { forward: false, ..self::policy() }), scene.field("Authorization")),
        (0, None)
    );
}

#[test]
fn optional_means_without_a_token_not_with_a_wrong_one() {
    let guest = Arc::new(Consumer { name: "guest".into(), ..Consumer::default() });
    let policy = Jwt { optional: Some(Some(guest)), ..policy() };
    let mut scene = Scene::get(&[("X-Consumer-Username", "root"), ("X-Tenant", "forged")]);
    assert_eq!(scene.status(&policy), 0);
    assert_eq!(
        (scene.field("X-Consumer-Username").as_deref(), scene.field("X-Tenant")),
        (Some("guest"), None)
    );
    assert!(!scene.pass.identity.authenticated);
    assert_eq!(scene.field("X-Anonymous-Consumer").as_deref(), Some("true"));
    assert_eq!(Scene::get(&[("Authorization", "Bearer x")]).status(&policy), 401);
}

#[test]
fn b15_an_unknown_key_is_asked_for_once() {
    let named = KeySet::new(vec![Key::from_secret(SECRET, None).unwrap().named(Some(b"new"))]);
    let old = KeySet::new(vec![Key::from_secret(&[1; 32], None).unwrap().named(Some(b"old"))]);
    let policy = Jwt::new(
        Arc::new(Verifier::new(Rules::default(), old)),
        Source::Url("https://id.example/jwks".into()),
    );
    let token = format!("Bearer {}", token(r#"{"alg":"HS256","kid":"new"}"#, CLAIMS));
    let mut scene = Scene::get(&[("Authorization", &token), ("X-Consumer-Username", "root")]);
    let Flow::Ask(Call::Keys(verifier)) = scene.ask(&policy) else { panic!("must ask") };
    scene.pass.asked = true;
    assert_eq!(scene.status(&policy), 401, "the answer brought nothing new");
    verifier.replace_keys(named);
    scene.pass.asked = false;
    assert_eq!(scene.status(&policy), 0);
    assert_eq!(scene.field("X-Consumer-Username"), None);
}
