//! The table of verified tokens: what it may remember, and for whom.
use super::*;

fn numbered(number: usize) -> String {
    token(
        r#"{"alg":"HS256"}"#,
        &format!(r#"{{"sub":"user-{number}","exp":{}}}"#, NOW_S + 100),
        &hs256(SECRET),
    )
}

#[test]
fn a_second_look_finds_the_same_claims() {
    let verifier = Verifier::new(Rules::default(), secret_set());
    let mut tokens = Tokens::new(16, 1 << 20);
    let first = verifier.verify(numbered(1).as_bytes(), NOW_S, &mut tokens).unwrap();
    let second = verifier.verify(numbered(1).as_bytes(), NOW_S + 1, &mut tokens).unwrap();
    assert!(Arc::ptr_eq(&first, &second) && tokens.len() == 1);
}

#[test]
fn what_is_remembered_expires_with_the_token() {
    let verifier = Verifier::new(Rules { leeway_s: 0, ..Rules::default() }, secret_set());
    let mut tokens = Tokens::new(16, 1 << 20);
    verifier.verify(numbered(1).as_bytes(), NOW_S, &mut tokens).unwrap();
    verifier.verify(numbered(1).as_bytes(), NOW_S + 99, &mut tokens).unwrap();
    assert_eq!(
        verifier.verify(numbered(1).as_bytes(), NOW_S + 100, &mut tokens).unwrap_err(),
        Refusal::Expired
    );
}

#[test]
fn nothing_passes_from_one_issuer_or_set_of_keys_to_another() {
    let ours = Verifier::new(Rules::default(), secret_set());
    let stricter = Verifier::new(Rules { audiences: vec!["api".into()], ..Rules::default() }, secret_set());
    let mut tokens = Tokens::new(16, 1 << 20);
    ours.verify(numbered(1).as_bytes(), NOW_S, &mut tokens).unwrap();
    assert_eq!(stricter.verify(numbered(1).as_bytes(), NOW_S, &mut tokens).unwrap_err(), Refusal::Audience);
    ours.replace_keys(KeySet::new(vec![Key::from_secret(&[1; 32], None).unwrap()]));
    assert_eq!(ours.verify(numbered(1).as_bytes(), NOW_S, &mut tokens).unwrap_err(), Refusal::Signature);
    ours.replace_keys(secret_set());
    ours.verify(numbered(1).as_bytes(), NOW_S, &mut tokens).unwrap();
}

#[test]
fn a_header_judged_by_one_issuers_rules_is_judged_again_by_anothers() {
    let token = token(r#"{"alg":"HS256","typ":"special+jwt"}"#, CLAIMS, &hs256(SECRET));
    let lenient = Rules { types: vec!["special+jwt".into()], ..Rules::default() };
    let mut tokens = Tokens::new(16, 1 << 20);
    Verifier::new(lenient, secret_set()).verify(token.as_bytes(), NOW_S, &mut tokens).unwrap();
    for _ in 0..40 {
        let strict = Verifier::new(Rules::default(), secret_set());
        assert_eq!(strict.verify(token.as_bytes(), NOW_S, &mut tokens).unwrap_err(), Refusal::Type);
    }
}

#[test]
fn the_table_is_bounded_in_tokens_and_bytes() {
    let verifier = Verifier::new(Rules::default(), secret_set());
    let mut few = Tokens::new(64, 1 << 20);
    let mut small = Tokens::new(1_024, 20_000);
    for number in 0..500 {
        for table in [&mut few, &mut small] {
            verifier.verify(numbered(number).as_bytes(), NOW_S, table).unwrap();
        }
        assert!(small.bytes() <= 20_000);
    }
    assert!(few.len() <= 64 && few.len() > 48 && !small.is_empty(), "{} {}", few.len(), small.len());
    let mut tiny = Tokens::new(4, 10);
    verifier.verify(numbered(1).as_bytes(), NOW_S, &mut tiny).unwrap();
    assert!(tiny.is_empty() && tiny.bytes() == 0);
}

#[test]
fn refused_tokens_are_not_remembered() {
    let verifier = Verifier::new(Rules::default(), secret_set());
    let mut tokens = Tokens::new(16, 1 << 20);
    let expired = token(r#"{"alg":"HS256"}"#, r#"{"exp":1}"#, &hs256(SECRET));
    verifier.verify(expired.as_bytes(), NOW_S, &mut tokens).unwrap_err();
    verifier
        .verify(
            token(r#"{"alg":"HS256"}"#, CLAIMS, &hs256(b"another secret of thirty-two byte")).as_bytes(),
            NOW_S,
            &mut tokens,
        )
        .unwrap_err();
    assert!(tokens.is_empty());
}
