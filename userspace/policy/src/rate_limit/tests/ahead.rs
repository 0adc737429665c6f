//! Where a client will be counted, as it is said before its request is read.
use super::*;

/// A limit of this key, with these tiers.
fn limit(by: Vec<Part>, whom: Vec<Whom>) -> RateLimit {
    let windows = || {
        let fixed = |window_s: u64| Window::new("minute", Count::Fixed { limit: 9, window_s });
        vec![fixed(60), fixed(3_600)]
    };
    let tiers = whom.into_iter().map(|whom| (whom, windows())).collect();
    RateLimit::new(by, tiers, Family::None, 1_000)
}

fn places(policy: &RateLimit, scene: &Scene) -> Vec<*const Bucket> {
    policy.places(&scene.client).map(std::ptr::from_ref).collect()
}

#[test]
fn a_client_is_counted_where_it_is_foreseen() {
    let (policy, scene) = (limit(vec![Part::Ip], vec![Whom::All]), Scene::get(&[]));
    let foreseen = places(&policy, &scene);
    assert_eq!(foreseen.len(), 2, "one for each window");
    let key = policy.key.of_client(&scene.client).unwrap();
    let limits = &policy.stores.local.limits;
    let buckets: Vec<_> = limits.iter().map(|limit| std::ptr::from_ref(limit.place(key).unwrap())).collect();
    assert_eq!(foreseen, buckets);
    let mut asked = Scene::get(&[]);
    assert_eq!(key_of(&policy, &mut asked), key, "and is counted by that key");
}

#[test]
fn what_depends_on_the_request_is_not_foreseen() {
    let consumer = Whom::Consumer("mobile".into());
    for (by, whom) in [
        (vec![Part::Path], vec![Whom::All]),
        (vec![Part::Ip, Part::Route], vec![Whom::All]),
        (vec![Part::Ip], vec![consumer, Whom::All]),
        (vec![Part::Ip], vec![]),
    ] {
        assert_eq!(places(&limit(by.clone(), whom), &Scene::get(&[])), Vec::new(), "{by:?}");
    }
}
