//! Part F of the attacks: not one of these may pass. Numbers as in the list.
use super::*;

#[track_caller]
fn refused(token: &str, keys: KeySet, expect: Refusal) {
    assert_eq!(try_token(token, keys).map(|_| ()).unwrap_err(), expect, "{token}");
}

fn signed(header: &str) -> String {
    token(header, CLAIMS, &hs256(SECRET))
}

#[test]
fn what_must_pass_passes() {
    try_token(&signed(r#"{"alg":"HS256","typ":"JWT"}"#), secret_set()).unwrap();
    try_token(&signed(r#"{"alg":"HS256","typ":"application/at+jwt","kid":"x"}"#), secret_set()).unwrap();
    try_token(&token(r#"{"alg":"ES256"}"#, CLAIMS, &es256), set(&[&ec_jwk("")]).unwrap()).unwrap();
    let jwk = rsa_jwk(r#","use":"sig","key_ops":["verify"],"alg":"RS256","kid":"k1""#);
    try_token(&token(r#"{"alg":"RS256","kid":"k1"}"#, CLAIMS, &rs256), set(&[&jwk]).unwrap()).unwrap();
}

#[test]
fn f1_none_in_any_spelling() {
    for name in ["none", "None", "NONE", "nOnE", "", "hs256", "HS256 ", "null"] {
        let header = format!(r#"{{"alg":"{name}"}}"#);
        refused(&signed(&header), secret_set(), Refusal::Algorithm);
        let unsigned = format!("{}.{}.", encode(header.as_bytes()), encode(CLAIMS.as_bytes()));
        refused(&unsigned, secret_set(), Refusal::Malformed);
    }
    refused(&signed(r#"{"typ":"JWT"}"#), secret_set(), Refusal::Header);
    refused(&signed(r#"{"alg":["HS256"]}"#), secret_set(), Refusal::Header);
    refused(&signed(r#"{"alg":null}"#), secret_set(), Refusal::Header);
    let empty = signed(r#"{"alg":"HS256"}"#).rsplit_once('.').unwrap().0.to_owned() + ".";
    refused(&empty, secret_set(), Refusal::Malformed);
}

#[test]
fn f2_the_public_key_is_no_secret() {
    let public = rsa_key().public_key();
    let der: &'static [u8] = Vec::leak(public.as_ref().to_vec());
    let jwk: &'static [u8] = rsa_jwk("").leak().as_bytes();
    for secret in [der, jwk] {
        let forged = token(r#"{"alg":"HS256"}"#, CLAIMS, &hs256(secret));
        refused(&forged, set(&[&rsa_jwk("")]).unwrap(), Refusal::Algorithm);
    }
    let honest = token(r#"{"alg":"RS256"}"#, CLAIMS, &rs256);
    refused(&honest, set(&[&rsa_jwk(r#","alg":"PS256""#)]).unwrap(), Refusal::Algorithm);
    refused(&honest, set(&[&ec_jwk("")]).unwrap(), Refusal::Algorithm);
    refused(&honest, secret_set(), Refusal::Algorithm);
}

#[test]
fn f3_keys_in_the_header_are_not_looked_at() {
    let (jwk, other) = (ec_jwk(""), secret_set());
    for extra in [
        format!(r#""jwk":{jwk}"#),
        r#""jku":"https://evil.example/k""#.into(),
        r#""x5u":"https://evil.example/c""#.into(),
        r#""x5c":["MIIB"]"#.into(),
    ] {
        let header = format!(r#"{{"alg":"ES256",{extra}}}"#);
        assert!(try_token(&token(&header, CLAIMS, &es256), other_than(&other)).is_err(), "{header}");
        // With the right key they change nothing.
        try_token(&token(&header, CLAIMS, &es256), set(&[&jwk]).unwrap()).unwrap();
    }
}

fn other_than(_: &KeySet) -> KeySet {
    let x = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    set(&[x]).unwrap()
}

#[test]
fn f4_kid_is_matched_exactly_or_not_at_all() {
    let keys = || set(&[&ec_jwk(r#","kid":"key-1""#)]).unwrap();
    let long = "k".repeat(1 << 20);
    for kid in [
        "../../dev/null",
        "key-1' OR 1=1",
        "KEY-1",
        "key-1 ",
        "",
        "key-1\u{0}",
        "ke\u{301}y-1",
        "key",
        "key-11",
    ] {
        let header = format!(r#"{{"alg":"ES256","kid":{}}}"#, serde_json::to_string(kid).unwrap());
        refused(&token(&header, CLAIMS, &es256), keys(), Refusal::UnknownKey);
    }
    refused(
        &token(&format!(r#"{{"alg":"ES256","kid":"{long}"}}"#), CLAIMS, &es256),
        keys(),
        Refusal::TooLong,
    );
    refused(&token(r#"{"alg":"ES256","kid":1}"#, CLAIMS, &es256), keys(), Refusal::Header);
    refused(&token(r#"{"alg":"ES256","kid":["key-1"]}"#, CLAIMS, &es256), keys(), Refusal::Header);
    refused(
        &token(r#"{"alg":"ES256","kid":"key-1","kid":"key-1"}"#, CLAIMS, &es256),
        keys(),
        Refusal::Malformed,
    );
    try_token(&token(r#"{"alg":"ES256","kid":"k\u0065y-1"}"#, CLAIMS, &es256), keys()).unwrap();
}

#[test]
fn f5_dates_are_numbers() {
    for date in [
        r#""99999999999""#,
        r#""never""#,
        "null",
        "true",
        "[1700000600]",
        "{}",
        "-1",
        "-1700000600",
        "1e400",
        "1e300",
        "9007199254740992",
        "-0.0",
    ] {
        for name in ["exp", "nbf", "iat"] {
            let other = if name == "exp" { r#""nbf":1"# } else { r#""exp":1700000600"# };
            let claims = format!(r#"{{"{name}":{date},{other}}}"#);
            refused(&token(r#"{"alg":"HS256"}"#, &claims, &hs256(SECRET)), secret_set(), Refusal::Claims);
        }
    }
    for date in
        ["01700000600", "+1700000600", "1700000600.", ".5", "0x7fffffff", "NaN", "Infinity", "17000_00600"]
    {
        let claims = format!(r#"{{"exp":{date}}}"#);
        refused(&token(r#"{"alg":"HS256"}"#, &claims, &hs256(SECRET)), secret_set(), Refusal::Claims);
    }
    for date in ["1700000600", "1700000600.5", "1.7000006e9", "17000006E2"] {
        try_token(
            &token(r#"{"alg":"HS256"}"#, &format!(r#"{{"exp":{date}}}"#), &hs256(SECRET)),
            secret_set(),
        )
        .unwrap();
    }
}

#[test]
fn f6_no_psychic_signatures() {
    let signed = format!("{}.{}", encode(br#"{"alg":"ES256"}"#), encode(CLAIMS.as_bytes()));
    let good = es256(signed.as_bytes());
    let mut long = good.clone();
    long.push(0);
    let order = [
        0xff_u8, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
        0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    for bad in [
        vec![0; 64],
        [&good[..32], &[0; 32]].concat(),
        [&[0; 32], &good[32..]].concat(),
        [order, order].concat(),
        good[..63].to_vec(),
        long,
        vec![0xff; 64],
        vec![0x30, 6, 2, 1, 1, 2, 1, 1],
    ] {
        refused(&format!("{signed}.{}", encode(&bad)), set(&[&ec_jwk("")]).unwrap(), Refusal::Signature);
    }
}

#[test]
fn f7_one_token_has_one_spelling() {
    let good = signed(r#"{"alg":"HS256","kid":"~~~???"}"#);
    try_token(&good, secret_set()).unwrap();
    for index in 0..=good.len() {
        for letter in ["=", " ", "\n", "+", "/", ".", "\0", "é"] {
            let mut changed = good.clone();
            changed.insert_str(index, letter);
            assert!(try_token(&changed, secret_set()).is_err(), "{changed:?}");
        }
    }
    // The last letter of a 32-byte signature carries two bits that mean nothing.
    let (head, last) = good.split_at(good.len() - 1);
    let others = ('A'..='Z')
        .chain('a'..='z')
        .chain('0'..='9')
        .chain(['-', '_'])
        .map(|letter| format!("{head}{letter}"));
    assert_eq!(others.filter(|token| try_token(token, secret_set()).is_ok()).count(), 1, "{last}");
    // Not even with a good signature over four parts.
    let more = good.rsplit_once('.').unwrap().0.to_owned() + ".AAAA";
    refused(
        &format!("{more}.{}", encode(&hs256(SECRET).sign(more.as_bytes()))),
        secret_set(),
        Refusal::Malformed,
    );
    for wrong in ["", ".", "..", "...", "a", "a.b", "a.b.c.d", "a.b.c.d.e", ".b.c", "a..c", "a.b."] {
        refused(wrong, secret_set(), Refusal::Malformed);
    }
}

#[test]
fn f8_keys_serve_only_their_purpose() {
    let check = |extra: &str, expect: KeyError| {
        let jwk = ec_jwk(extra);
        let document = json::Document::parse(jwk.into_bytes(), json::Limits::KEYS).unwrap();
        assert_eq!(Key::from_jwk(document.root()).map(|_| ()).unwrap_err(), expect, "{extra}");
    };
    for extra in [
        r#","use":"enc""#,
        r#","use":"SIG""#,
        r#","use":"sig","key_ops":["sign"]"#,
        r#","key_ops":["encrypt"]"#,
        r#","key_ops":[]"#,
    ] {
        check(extra, KeyError::Purpose);
    }
    for extra in [
        r#","use":1"#,
        r#","key_ops":"verify""#,
        r#","key_ops":["verify","verify"]"#,
        r#","key_ops":[1,"verify"]"#,
        r#","alg":1"#,
        r#","kid":1"#,
    ] {
        check(extra, KeyError::Malformed);
    }
    for extra in [r#","alg":"ES384""#, r#","alg":"HS256""#, r#","alg":"none""#, r#","alg":"ECDH-ES""#] {
        check(extra, KeyError::Unsupported);
    }
    let (ec, rsa) = (ec_jwk(""), rsa_jwk(""));
    for jwk in [
        ec.replace("\"P-256\"", "\"P-384\""),
        ec.replace("\"P-256\"", "\"secp256k1\""),
        ec.replace("\"EC\"", "\"OKP\""),
        ec.replace("\"EC\"", "\"RSA\""),
        rsa.replace("\"RSA\"", "\"EC\""),
        rsa.replace("\"RSA\"", "\"oct\""),
        rsa.replace("\"AQAB\"", "\"AAEAAQ\""),
        rsa.replace("\"AQAB\"", "\"\""),
        ec.replace("\"y\":\"", "\"y\":\"AA"),
        "[]".into(),
        "1".into(),
    ] {
        assert_eq!(set(&[&jwk]).unwrap().keys().len(), 0, "{jwk}");
    }
    // A point that is not on the curve.
    let (front, back) = ec.split_once("\"y\":\"").unwrap();
    let off = format!("{front}\"y\":\"{}{}", if back.starts_with('A') { 'B' } else { 'A' }, &back[1..]);
    assert_eq!(set(&[&off]).unwrap().skipped(), 1);
}

#[test]
fn f8_short_keys_are_refused() {
    let small = format!(r#"{{"kty":"RSA","n":"{}","e":"AQAB"}}"#, encode(&[0xff; 128]));
    let almost = format!(
        r#"{{"kty":"RSA","n":"{}","e":"AQAB"}}"#,
        encode(&[[0x7f; 1].as_slice(), &[0xff; 255]].concat())
    );
    let secret = format!(r#"{{"kty":"oct","k":"{}"}}"#, encode(&[7; 31]));
    let wrong = format!(r#"{{"kty":"oct","k":"{}","alg":"HS512"}}"#, encode(&[7; 63]));
    for jwk in [small, almost, secret, wrong] {
        let document = json::Document::parse(jwk.into_bytes(), json::Limits::KEYS).unwrap();
        assert_eq!(Key::from_jwk(document.root()).map(|_| ()).unwrap_err(), KeyError::TooShort);
    }
    assert!(Key::from_secret(b"secret", None).is_err());
}

#[test]
fn f9_headers_that_ask_for_more_than_we_understand() {
    for extra in [
        r#""crit":["exp"]"#,
        r#""crit":[]"#,
        r#""crit":["b64"],"b64":false"#,
        r#""b64":false"#,
        r#""b64":"false""#,
        r#""zip":"DEF""#,
        r#""enc":"A128GCM""#,
        r#""cty":"JWT""#,
        r#""crit":null"#,
    ] {
        refused(&signed(&format!(r#"{{"alg":"HS256",{extra}}}"#)), secret_set(), Refusal::Header);
    }
    for typ in [r#""JWE""#, r#""logout+jwt""#, r#""dpop+jwt""#, r#""application/x/JWT""#, "1", "null"] {
        refused(&signed(&format!(r#"{{"alg":"HS256","typ":{typ}}}"#)), secret_set(), Refusal::Type);
    }
    for header in [
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"alg":"HS256","\u0061lg":"HS256"}"#,
        r#"{"alg":"HS256"}x"#,
        "{\"alg\":\"HS256\"}\u{0}",
        "\u{feff}{\"alg\":\"HS256\"}",
    ] {
        refused(&signed(header), secret_set(), Refusal::Malformed);
    }
    refused(&signed(r#""HS256""#), secret_set(), Refusal::Header);
    for claims in [
        r#"{"exp":1700000600,"sub":"a","sub":"b"}"#,
        r#"{"exp":1700000600,"exp":1}"#,
        r#"{"exp":1700000600,"a":{"b":1,"b":2}}"#,
        "[]",
        "1",
        "",
        "{",
    ] {
        let token = token(r#"{"alg":"HS256"}"#, claims, &hs256(SECRET));
        let expect = if claims.is_empty() { Refusal::Malformed } else { Refusal::Claims };
        refused(&token, secret_set(), expect);
    }
}

#[test]
fn f10_documents_of_keys_are_bounded() {
    assert_eq!(
        KeySet::parse(&vec![b' '; KeySet::BYTES_MAX + 1], Origin::Fetched).map(|_| ()).unwrap_err(),
        KeyError::TooMany
    );
    let many = vec!["{}"; KeySet::KEYS_MAX + 1];
    assert_eq!(set(&many).map(|_| ()).unwrap_err(), KeyError::TooMany);
    for text in ["", "[]", r#"{"keys":{}}"#, r#"{"keys":1}"#, "<html>", r#"{"keys":[],"keys":[]}"#] {
        assert!(KeySet::parse(text.as_bytes(), Origin::Fetched).is_err(), "{text}");
    }
    // Without kid, no more than a few keys are tried.
    let keys: Vec<String> =
        (0..64).map(|n| format!(r#"{{"kty":"oct","kid":"{n}","k":"{}"}}"#, encode(&[n; 32]))).collect();
    let set = set(&keys.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    assert_eq!(set.checks(None, Algorithm::Hs256).count(), KeySet::TRIES_MAX);
}

#[test]
fn a_secret_that_everybody_can_fetch_is_none() {
    let jwks = format!(r#"{{"keys":[{{"kty":"oct","k":"{}"}}]}}"#, encode(SECRET));
    let keys = KeySet::parse(jwks.as_bytes(), Origin::Fetched).unwrap();
    assert_eq!((keys.keys().len(), keys.skipped()), (0, 1));
    refused(&signed(r#"{"alg":"HS256"}"#), keys, Refusal::UnknownKey);
}

#[test]
fn any_changed_bit_is_seen() {
    let good = token(r#"{"alg":"ES256"}"#, CLAIMS, &es256);
    let keys = Verifier::new(Rules::default(), set(&[&ec_jwk("")]).unwrap());
    let mut tokens = Tokens::default();
    keys.verify(good.as_bytes(), NOW_S, &mut tokens).unwrap();
    for index in 0..good.len() {
        for bit in [1, 4, 32] {
            let mut changed = good.clone().into_bytes();
            changed[index] ^= bit;
            assert!(keys.verify(&changed, NOW_S, &mut tokens).is_err(), "byte {index}");
        }
    }
}

#[test]
fn pem_keys_know_their_algorithms() {
    let pem = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9\nq9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==\n-----END PUBLIC KEY-----\n";
    assert_eq!(Key::from_pem(pem, None).unwrap().algorithms().collect::<Vec<_>>(), [Algorithm::Es256]);
    assert_eq!(Key::from_pem(pem, Some(Algorithm::Hs256)).map(|_| ()).unwrap_err(), KeyError::Unsupported);
    for text in [
        "",
        "-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----",
        "-----BEGIN PUBLIC KEY-----\nMFkw_-\n-----END PUBLIC KEY-----",
    ] {
        assert_eq!(Key::from_pem(text, None).map(|_| ()).unwrap_err(), KeyError::NotPem);
    }
}
