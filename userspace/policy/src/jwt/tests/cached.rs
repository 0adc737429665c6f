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
    let mut tokens = Tokens::default();
    let first = verifier.verify(numbered(1).as_bytes(), NOW_S, &mut tokens).unwrap();
    let second = verifier.verify(numbered(1).as_bytes(), NOW_S + 1, &mut tokens).unwrap();
    assert!(Arc::ptr_eq(&first, &second) && tokens.len() == 1);
}

#[test]
fn what_is_remembered_expires_with_the_token() {
    let verifier = Verifier::new(Rules { leeway_s: 0, ..Rules::default() }, secret_set());
    let mut tokens = Tokens::default();
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
    let mut tokens = Tokens::default();
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
    let mut tokens = Tokens::default();
    Verifier::new(lenient, secret_set()).verify(token.as_bytes(), NOW_S, &mut tokens).unwrap();
    for _ in 0..40 {
        let strict = Verifier::new(Rules::default(), secret_set());
        assert_eq!(strict.verify(token.as_bytes(), NOW_S, &mut tokens).unwrap_err(), Refusal::Type);
    }
}

#[test]
fn what_is_remembered_is_verified_anew_after_its_time() {
    let rules = Rules { memory: Memory { ttl_s: 10, ..Memory::default() }, ..Rules::default() };
    let verifier = Verifier::new(rules, secret_set());
    let mut tokens = Tokens::default();
    let ask = |now_s: u64, tokens: &mut Tokens| {
        verifier.verify(numbered(1).as_bytes(), now_s, tokens).unwrap();
        verifier.verified()
    };
    let verified = [0, 9, 10, 19, 20].map(|later| ask(NOW_S + later, &mut tokens));
    assert_eq!(verified, [1, 1, 2, 2, 3]);
    assert_eq!((tokens.len(), verifier.forgotten()), (1, 0), "what has had its time makes room");
}

#[test]
fn what_old_keys_have_verified_is_dropped_when_they_are_replaced() {
    let verifier = Verifier::new(Rules::default(), secret_set());
    let mut tokens = Tokens::default();
    (0..50).for_each(|number| drop(verifier.verify(numbered(number).as_bytes(), NOW_S, &mut tokens)));
    assert_eq!(tokens.len(), 50);
    verifier.replace_keys(secret_set());
    verifier.verify(numbered(1).as_bytes(), NOW_S, &mut tokens).unwrap();
    assert_eq!((tokens.len(), verifier.verified()), (1, 51));
}

#[test]
fn issuers_that_are_gone_leave_nothing_behind() {
    let mut tokens = Tokens::default();
    let remember = |number: usize, tokens: &mut Tokens| {
        let verifier = Verifier::new(Rules::default(), secret_set());
        verifier.verify(numbered(number).as_bytes(), NOW_S, tokens).unwrap();
        verifier
    };
    (0..100).for_each(|number| drop(remember(number, &mut tokens)));
    assert!(tokens.len() <= 2, "{}", tokens.len());
    let held: Vec<Verifier> = (0..100).map(|number| remember(number, &mut tokens)).collect();
    assert!(tokens.len() <= 64, "{}", tokens.len());
    drop(held);
}

#[test]
fn the_table_is_bounded_in_tokens_and_bytes() {
    let table = |tokens_max: usize, bytes_max: usize| {
        let memory = Memory { tokens_max, bytes_max, ttl_s: 300 };
        (Verifier::new(Rules { memory, ..Rules::default() }, secret_set()), Tokens::default())
    };
    let ((few, mut fews), (small, mut smalls)) = (table(64, 1 << 20), table(1_024, 20_000));
    for number in 0..500 {
        few.verify(numbered(number).as_bytes(), NOW_S, &mut fews).unwrap();
        small.verify(numbered(number).as_bytes(), NOW_S, &mut smalls).unwrap();
        assert!(smalls.bytes() <= 20_000);
    }
    assert!(fews.len() <= 64 && fews.len() > 48 && !smalls.is_empty(), "{} {}", fews.len(), smalls.len());
    assert_eq!(few.forgotten(), 500 - fews.len() as u64, "whoever had to go is counted");
    assert_eq!(small.forgotten(), 500 - smalls.len() as u64);
    for (tokens_max, bytes_max) in [(4, 10), (0, 1 << 20)] {
        let (verifier, mut tokens) = table(tokens_max, bytes_max);
        verifier.verify(numbered(1).as_bytes(), NOW_S, &mut tokens).unwrap();
        assert!(tokens.is_empty() && tokens.bytes() == 0, "{tokens_max} {bytes_max}");
    }
}

#[test]
fn refused_tokens_are_not_remembered() {
    let verifier = Verifier::new(Rules::default(), secret_set());
    let mut tokens = Tokens::default();
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
