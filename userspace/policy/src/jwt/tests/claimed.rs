//! What a token has to say: dates, issuer, audience, rules.
use super::*;

fn judge(rules: Rules, claims: &str) -> Result<Arc<Claims>, Refusal> {
    let token = token(r#"{"alg":"HS256"}"#, claims, &hs256(SECRET));
    Verifier::new(rules, secret_set()).verify(token.as_bytes(), NOW_S, &mut Tokens::default())
}

#[track_caller]
fn check(rules: &Rules, claims: &str, expect: Result<(), Refusal>) {
    assert_eq!(judge(rules.clone(), claims).map(|_| ()), expect, "{claims}");
}

#[test]
fn dates_hold_to_the_second_of_the_leeway() {
    let rules = Rules { leeway_s: 30, ..Rules::default() };
    for (claims, expect) in [
        (r#"{"exp":1700000001}"#, Ok(())),
        (r#"{"exp":1699999971}"#, Ok(())),
        (r#"{"exp":1699999970}"#, Err(Refusal::Expired)),
        (r#"{"exp":1699999970.9}"#, Err(Refusal::Expired)),
        (r#"{"exp":0}"#, Err(Refusal::Expired)),
        (r#"{"exp":1700000600,"nbf":1700000030}"#, Ok(())),
        (r#"{"exp":1700000600,"nbf":1700000030.1}"#, Err(Refusal::NotYet)),
        (r#"{"exp":1700000600,"iat":1700000031}"#, Err(Refusal::NotYet)),
        (r#"{"sub":"a"}"#, Err(Refusal::NoExpiry)),
    ] {
        check(&rules, claims, expect);
    }
    check(&Rules { needs_expiry: false, ..Rules::default() }, r#"{"sub":"a"}"#, Ok(()));
}

#[test]
fn tokens_may_not_live_too_long() {
    let rules = Rules { lifetime_max_s: Some(600), needs_expiry: false, ..Rules::default() };
    check(&rules, r#"{"exp":1700000600}"#, Ok(()));
    check(&rules, r#"{"exp":1700000600.5}"#, Err(Refusal::TooLongLived));
    check(&rules, r#"{"exp":1700000601}"#, Err(Refusal::TooLongLived));
    check(&rules, r#"{}"#, Err(Refusal::NoExpiry));
}

#[test]
fn issuer_is_exact() {
    let rules = Rules { issuers: vec!["https://id.example".into()], needs_expiry: false, ..Rules::default() };
    check(&rules, r#"{"iss":"https://id.example"}"#, Ok(()));
    for claims in
        [r#"{"iss":"https://id.example/"}"#, r#"{"iss":"HTTPS://id.example"}"#, r#"{"iss":""}"#, "{}"]
    {
        check(&rules, claims, Err(Refusal::Issuer));
    }
    check(&rules, r#"{"iss":["https://id.example"]}"#, Err(Refusal::Claims));
    check(&Rules { needs_expiry: false, ..Rules::default() }, r#"{"iss":1}"#, Err(Refusal::Claims));
}

#[test]
fn audience_is_one_of_ours() {
    let rules = Rules { audiences: vec!["api".into(), "b".into()], needs_expiry: false, ..Rules::default() };
    for claims in [r#"{"aud":"api"}"#, r#"{"aud":["x","b"]}"#] {
        check(&rules, claims, Ok(()));
    }
    for claims in [r#"{"aud":"ap"}"#, r#"{"aud":"api b"}"#, r#"{"aud":[]}"#, r#"{"aud":["x"]}"#, "{}"] {
        check(&rules, claims, Err(Refusal::Audience));
    }
    for claims in [r#"{"aud":1}"#, r#"{"aud":["api",1]}"#, r#"{"aud":{"api":1}}"#, r#"{"aud":null}"#] {
        check(&rules, claims, Err(Refusal::Claims));
    }
}

#[test]
fn further_claims_are_tested() {
    let rule = |path: &str, test: ClaimTest| Rules {
        needs_expiry: false,
        claims: vec![ClaimRule { path: ClaimPath::new(path), test }],
        ..Rules::default()
    };
    let each = |rules: Rules, good: &[&str], bad: &[&str]| {
        good.iter().for_each(|claims| check(&rules, claims, Ok(())));
        bad.iter().for_each(|claims| check(&rules, claims, Err(Refusal::Claim(0))));
    };
    each(
        rule("scope", ClaimTest::Contains("read".into())),
        &[r#"{"scope":"a:b read write"}"#, r#"{"scope":["x","read"]}"#, r#"{"scope":"read"}"#],
        &[r#"{"scope":"reads a:b"}"#, r#"{"scope":["read x"]}"#, r#"{"scope":1}"#, r#"{"scope":null}"#, "{}"],
    );
    let equals = ClaimTest::Equals(vec!["1".into(), "true".into()]);
    each(
        rule("realm.tenant", equals.clone()),
        &[r#"{"realm":{"tenant":"1"}}"#, r#"{"realm.tenant":true}"#, r#"{"realm":{"tenant":1}}"#],
        &[r#"{"realm":{"tenant":"12"}}"#, r#"{"realm":["1"]}"#, r#"{"realm":{"tenant":["1"]}}"#, "{}"],
    );
    each(rule("a", ClaimTest::Not(Box::new(equals))), &[r#"{"a":2}"#, "{}"], &[r#"{"a":1}"#]);
    each(rule("a", ClaimTest::Prefix("x-".into())), &[r#"{"a":"x-1"}"#], &[r#"{"a":"ax-"}"#, "{}"]);
    each(rule("a", ClaimTest::Suffix("-x".into())), &[r#"{"a":"1-x"}"#], &[r#"{"a":"-x1"}"#, "{}"]);
    each(rule("a", ClaimTest::Present(true)), &[r#"{"a":null}"#], &["{}"]);
    each(rule("a", ClaimTest::Present(false)), &["{}"], &[r#"{"a":1}"#]);
    let regex = regex_automata::meta::Regex::new("^[a-c]+$").unwrap();
    each(rule("a", ClaimTest::Regex(Box::new(regex))), &[r#"{"a":"abc"}"#], &[r#"{"a":"abcd"}"#, "{}"]);
}

#[test]
fn claims_are_found_by_path() {
    let claims =
        judge(Rules::default(), r#"{"exp":1700000600,"a.b":1,"a":{"b":2,"c":{"d":"x"}},"n":null}"#).unwrap();
    for (path, expect) in
        [("a.b", Some("1")), ("a.c.d", Some("x")), ("a.c", None), ("a.x", None), ("n", None), ("", None)]
    {
        assert_eq!(claims.text(&ClaimPath::new(path)), expect.map(str::as_bytes), "{path}");
    }
}
