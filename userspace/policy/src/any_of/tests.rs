//! One of several is enough.
use super::*;
use crate::scene::{Scene, sent};
use crate::{Consumer, Credentials, KeyAuth, Place};
use std::sync::Arc;

fn keys(header: &str, key: &str, name: &str) -> Link {
    let mut credentials = Credentials::default();
    credentials.insert(key, Arc::new(Consumer { name: name.into(), ..Consumer::default() }));
    let policy = KeyAuth::new(Arc::new(credentials), vec![Place::Header(header.into())]);
    Link::KeyAuth(Arc::new(policy.realm(name)))
}

fn policy() -> AnyOf {
    AnyOf::new(vec![keys("X-A", "key-a", "a"), keys("X-B", "key-b", "b")])
}

#[test]
fn the_first_that_is_satisfied_decides() {
    for (fields, consumer) in [
        (&[("X-A", "key-a")][..], "a"),
        (&[("X-B", "key-b")], "b"),
        (&[("X-A", "wrong"), ("X-B", "key-b")], "b"),
    ] {
        let (policy, mut scene) = (policy(), Scene::get(fields));
        assert_eq!(scene.status(&policy), 0);
        assert_eq!(scene.field("X-Consumer-Username").as_deref(), Some(consumer));
        assert_eq!(sent(&scene.answer(&policy, 401, &[]), "WWW-Authenticate"), "", "nobody has refused");
    }
}

#[test]
fn if_none_is_all_challenge() {
    let (policy, mut scene) = (policy(), Scene::get(&[]));
    assert_eq!(scene.status(&policy), 401);
    assert_eq!(
        sent(&scene.answer(&policy, 401, &[]), "WWW-Authenticate"),
        "Key realm=\"b\", Key realm=\"a\""
    );
}

#[test]
fn the_refusal_of_a_shown_credential_is_the_one_that_is_told() {
    for fields in [[("X-A", "wrong")], [("X-B", "wrong")]] {
        let Flow::Reply(reply) = Scene::get(&fields).ask(&policy()) else { panic!("must refuse") };
        assert_eq!(reply.detail, "unknown key", "{fields:?}");
    }
    let Flow::Reply(reply) = Scene::get(&[]).ask(&policy()) else { panic!("must refuse") };
    assert_eq!(reply.detail, NO_CREDENTIAL);
}
