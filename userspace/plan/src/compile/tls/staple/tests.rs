//! Answers made byte for byte, about certificates of a chain that is made for the test.
use super::*;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::CertificateDer;

const NOW: u64 = 1_700_000_000; // 2023-11-14 22:13:20
const BEFORE: &str = "20231114200000Z";
const AFTER: &str = "20231115200000Z";

/// A value of DER.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len().to_be_bytes();
    let length: Vec<u8> = length.iter().copied().skip_while(|byte| *byte == 0).collect();
    let head = match content.len() {
        0 => vec![tag, 0],
        1..0x80 => vec![tag, length[0]],
        _ => [&[tag, 0x80 | u8::try_from(length.len()).unwrap()], &length[..]].concat(),
    };
    [head, content].concat()
}

fn time_der(text: &str) -> Vec<u8> {
    der(0x18, &[text.as_bytes()])
}

/// A chain of two, and another issuer of the same name.
fn chain() -> [CertificateDer<'static>; 3] {
    let issuer = || {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    };
    let (one, other) = (issuer(), issuer());
    let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    params.serial_number = Some(0x1234_u64.into());
    let own = params.signed_by(&KeyPair::generate().unwrap(), &one).unwrap();
    [own.der().clone(), one.der().clone(), other.der().clone()]
}

/// What an answer says that could be otherwise.
#[derive(Clone)]
struct Said<'a> {
    status: u8,
    hash: &'a [u8],
    serial: &'a [u8],
    good: u8,
    from: &'a str,
    until: Option<&'a str>,
}

const GOOD: Said<'_> =
    Said { status: 0, hash: SHA1, serial: &[0x12, 0x34], good: 0x80, from: BEFORE, until: Some(AFTER) };

fn answer(said: &Said<'_>, issuer: &X509Certificate<'_>) -> Vec<u8> {
    let hash = if said.hash == SHA1 { &SHA1_FOR_LEGACY_USE_ONLY } else { &SHA256 };
    let name = der(4, &[digest(hash, issuer.subject().as_raw()).as_ref()]);
    let key = der(4, &[digest(hash, &issuer.public_key().subject_public_key.data).as_ref()]);
    let id = der(0x30, &[&der(0x30, &[&der(6, &[said.hash])]), &name, &key, &der(2, &[said.serial])]);
    let until = said.until.map(|until| der(0xa0, &[&time_der(until)])).unwrap_or_default();
    let single = der(0x30, &[&id, &[said.good, 0], &time_der(said.from), &until]);
    let data = der(0x30, &[&der(0xa2, &[&der(4, &[b"key"])]), &time_der(BEFORE), &der(0x30, &[&single])]);
    let basic = der(4, &[&der(0x30, &[&data])]);
    der(0x30, &[&der(10, &[&[said.status]]), &der(0xa0, &[&der(0x30, &[&der(6, &[BASIC]), &basic])])])
}

#[test]
fn b77_an_answer_counts_for_its_certificate_and_its_time_only() {
    let ders = chain();
    let [own, one, other] = ders.each_ref().map(|der| X509Certificate::from_der(der).unwrap().1);
    let both = [own, one.clone()];
    let now = UnixTime::since_unix_epoch(Duration::from_secs(NOW));
    let of = |said: &Said<'_>| good_until(&answer(said, &one), &both, now);
    let check = |said: Said<'_>, expect: Result<Option<u64>, Unfit>| {
        assert_eq!(of(&said).map(|until| until.map(|until| until.as_secs())), expect);
    };
    let until = Ok(Some(1_700_078_400));
    check(GOOD, until);
    check(Said { hash: SHA2_256, ..GOOD }, until);
    check(Said { until: None, ..GOOD }, Ok(None));
    check(Said { until: Some("20231114221320Z"), ..GOOD }, Err(Unfit::Untimely("it has expired")));
    check(Said { from: "20231114221400Z", ..GOOD }, until);
    check(Said { from: AFTER, ..GOOD }, Err(Unfit::Untimely("it counts only later")));
    for bad in [0x81, 0x82] {
        let why = "the authority does not say that the certificate is good";
        check(Said { good: bad, ..GOOD }, Err(Unfit::Untimely(why)));
    }
    check(Said { status: 6, ..GOOD }, Err(Unfit::Wrong("the authority has answered with an error")));
    let another = Err(Unfit::Wrong("this is an answer about another certificate"));
    check(Said { serial: &[0x43, 0x21], ..GOOD }, another);
    let by_other = answer(&GOOD, &other);
    let seen = good_until(&by_other, &both, now);
    assert_eq!(seen, another.map(|_| None), "issued by another key of the same name");
    assert!(good_until(&by_other, &both[..1], now).is_ok(), "whose key is not known here");
    let good = answer(&GOOD, &one);
    let none = Err(Unfit::Wrong("this is no answer of OCSP in DER"));
    for end in 0..good.len() {
        assert_eq!(good_until(&good[..end], &both, now), none, "{end}");
    }
    assert_eq!(good_until(b"-----BEGIN", &both[..1], now), none);
    assert_eq!(good_until(&[&good[..], b"\0"].concat(), &both[..1], now), none);
    // Whatever is changed, it is judged and no more.
    for at in 0..good.len() {
        let mut changed = good.clone();
        changed[at] ^= 0x55;
        let _judged = good_until(&changed, &both, now);
    }
}
