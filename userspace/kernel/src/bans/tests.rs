//! Bans over restarts, and who is never banned.

use super::*;

#[test]
fn a_key_stands_for_one_source() {
    let check = |text: &str, mask: u64, expect: &str| {
        let source: IpAddr = text.parse().unwrap();
        assert_eq!(source_of(Address::from(source).key(mask)).to_string(), expect, "{text}");
    };
    check("192.0.2.1", u64::MAX, "192.0.2.1");
    check("2001:db8:1:2:3:4:5:6", u64::MAX, "2001:db8:1:2::");
    check("2001:db8:1:2:3:4:5:6", u64::MAX << 16, "2001:db8:1::");
}

#[test]
fn escalation_outlives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let host = Host { state: directory.path().to_owned(), ..Host::default() };
    let mut plan = Plan::default();
    plan.bans.first = Duration::from_secs(1);
    let source: IpAddr = "198.51.100.77".parse().unwrap();
    let by_rule = || Cause::by_rule(weir_wire::Reason::BadToken, "login", None);
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    for expect in [(1, 1), (2, 4)] {
        let (mut bans, complaints) = Bans::without_kernel(&plan, &host).unwrap();
        assert!(complaints.is_empty(), "{complaints:?}");
        let Entry { since_s, until_s, nth, .. } = bans.ban(source, None, by_rule()).unwrap().entry;
        assert_eq!((nth, until_s - since_s), expect);
        while nth == 1 && bans.find(source).unwrap().is_some() {
            assert!(std::time::Instant::now() < deadline, "the ban does not end");
            std::thread::park_timeout(Duration::from_millis(50));
            bans.expire().unwrap();
        }
    }
}

#[test]
fn whoever_becomes_protected_is_pardoned_with_the_network_around() {
    let directory = tempfile::tempdir().unwrap();
    let host = Host { state: directory.path().to_owned(), ..Host::default() };
    let plan = Plan::default();
    let (mut bans, _) = Bans::without_kernel(&plan, &host).unwrap();
    for source in ["2001:db8:0:1::7", "2001:db8:0:2::7", "198.51.100.7", "198.51.100.8", "203.0.113.1"] {
        bans.ban(source.parse().unwrap(), None, Cause::by_hand("x")).unwrap();
    }
    let networks = ["2001:db8:0:1::9/128", "198.51.100.7/32", "203.0.113.0/24"];
    let dependencies: Vec<(IpNet, _)> =
        networks.iter().map(|network| (network.parse().unwrap(), "an upstream")).collect();
    bans.sync(&plan, &host, &dependencies).unwrap();
    let left: Vec<String> = bans.list().unwrap().iter().map(|shown| shown.source.to_string()).collect();
    assert_eq!(left, ["198.51.100.8", "2001:db8:0:2::"]);
    drop(bans);
    let (bans, _) = Bans::without_kernel(&plan, &host).unwrap();
    assert_eq!(bans.count(), 2, "the journal brings a pardoned source back");
}
