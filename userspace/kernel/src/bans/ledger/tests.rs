//! The ledger's arithmetic: escalation, decay, caps and bounds.

use super::*;
use weir_wire::Reason;

fn rule() -> Cause {
    Cause::by_rule(Reason::BadToken, "login", Some("r-1"))
}

fn ledger() -> Ledger {
    Ledger::new(Terms { entries_max: 4, per_minute_max: 3, ..Terms::default() })
}

fn source(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

fn length(ledger: &mut Ledger, now_s: u64) -> u64 {
    ledger.ban(source(1), None, rule(), now_s).unwrap().until_s - now_s
}

#[test]
fn each_ban_is_four_times_longer_up_to_a_day() {
    let mut ledger = ledger();
    let mut now_s = 1000;
    for expect in [60, 240, 960, 3840, 15_360, 61_440, 86_400, 86_400] {
        let took = length(&mut ledger, now_s);
        assert_eq!(took, expect);
        now_s += took + 1;
    }
}

#[test]
fn a_quiet_source_is_forgiven_step_by_step() {
    let mut ledger = ledger();
    assert_eq!(length(&mut ledger, 0), 60);
    assert_eq!(length(&mut ledger, 100), 240);
    // The second ban ended at 340; one hour later one step is forgotten.
    assert_eq!(length(&mut ledger, 340 + 3600), 240);
    let ended = 340 + 3600 + 240;
    assert_eq!(length(&mut ledger, ended + 2 * 3600), 60);
}

#[test]
fn a_ban_in_force_is_not_counted_twice_and_not_shortened() {
    let mut ledger = ledger();
    let first = ledger.ban(source(1), Some(Duration::from_secs(500)), rule(), 0).unwrap();
    let again = ledger.ban(source(1), None, rule(), 10).unwrap();
    assert_eq!((first.nth, again.nth), (1, 1));
    assert_eq!((again.until_s, again.since_s), (500, 0));
    let by_hand = ledger.ban(source(1), Some(Duration::from_secs(5)), Cause::by_hand("enough"), 20).unwrap();
    assert_eq!(by_hand.until_s, 25);
}

#[test]
fn rules_are_capped_per_minute_and_operators_are_not() {
    let mut ledger = Ledger::new(Terms { per_minute_max: 2, ..Terms::default() });
    let mut ban = |last, cause, now_s| ledger.ban(source(last), None, cause, now_s).map(|entry| entry.nth);
    assert_eq!(ban(1, rule(), 100), Ok(1));
    assert_eq!(ban(2, rule(), 100), Ok(1));
    assert_eq!(ban(3, rule(), 159), Err(Refusal::TooMany(2)));
    assert_eq!(ban(3, Cause::by_hand("x"), 159), Ok(1));
    assert_eq!(ban(4, rule(), 160), Ok(1));
}

#[test]
fn the_table_is_bounded_and_expiry_makes_room() {
    let mut ledger = Ledger::new(Terms { entries_max: 1, ..Terms::default() });
    ledger.ban(source(1), None, rule(), 0).unwrap();
    assert_eq!(ledger.ban(source(2), None, rule(), 1), Err(Refusal::Full(1)));
    assert_eq!(ledger.expire(60), [source(1)]);
    assert!(ledger.is_empty());
    ledger.ban(source(2), None, rule(), 60).unwrap();
    assert_eq!(ledger.iter(61).count(), 1);
}

#[test]
fn unban_forgets_the_source() {
    let mut ledger = ledger();
    assert_eq!(length(&mut ledger, 0), 60);
    assert!(ledger.unban(source(1)));
    assert!(!ledger.unban(source(1)));
    assert_eq!(length(&mut ledger, 1), 60);
}

#[test]
fn long_words_are_cut() {
    let mut ledger = ledger();
    let entry = ledger.ban(source(1), None, Cause::by_hand(&"é".repeat(500)), 0).unwrap();
    assert_eq!(entry.cause.rule.chars().count(), TEXT_CHARS_MAX);
}

#[test]
fn a_clock_that_is_set_changes_no_span() {
    let mut ledger = ledger();
    ledger.ban(source(1), Some(Duration::from_secs(600)), rule(), 10_000).unwrap();
    ledger.ban(source(2), Some(Duration::from_secs(1)), rule(), 10_000).unwrap();
    assert_eq!(ledger.expire(10_001), [source(2)]);
    ledger.shift(3600);
    assert!(ledger.expire(10_001 + 3600).is_empty());
    let entry = ledger.find(source(1)).unwrap();
    assert_eq!((entry.since_s, entry.until_s), (13_600, 14_200));
    ledger.shift(-7200);
    assert!(ledger.expire(6_999).is_empty(), "ten minutes have not passed");
    assert_eq!(ledger.expire(7_000), [source(1)]);
    // What is remembered of ended bans has moved as well: the second of the other source is longer.
    assert_eq!(ledger.ban(source(2), None, rule(), 7_000).unwrap().nth, 2);
}

#[test]
fn a_ban_ends_when_the_kernel_says() {
    let mut ledger = ledger();
    ledger.ban(source(1), Some(Duration::from_secs(600)), rule(), 10_000).unwrap();
    assert!(!ledger.end_at(source(1), 10_601), "a second comes from cutting");
    assert!(!ledger.end_at(source(2), 1), "nobody knows it");
    assert!(ledger.end_at(source(1), 20_000));
    let entry = ledger.find(source(1)).unwrap();
    assert_eq!((entry.since_s, entry.until_s), (19_400, 20_000));
}

#[test]
fn only_so_many_bans_end_at_once() {
    let mut ledger = Ledger::new(Terms::default());
    let number = |number: usize| IpAddr::from(u32::try_from(number).unwrap().to_be_bytes());
    for ban in 0..ENDED_MAX + 10 {
        ledger.ban(number(ban), Some(Duration::from_secs(5)), Cause::by_hand("x"), 100).unwrap();
    }
    assert_eq!((ledger.iter(104).count(), ledger.iter(105).count()), (ENDED_MAX + 10, 0));
    assert_eq!([ledger.expire(105).len(), ledger.expire(105).len()], [ENDED_MAX, 10]);
    assert!(ledger.is_empty());
}

#[test]
fn a_ban_that_waits_to_be_cleared_away_counts_as_ended() {
    let mut ledger = ledger();
    assert_eq!(length(&mut ledger, 1000), 60);
    let again = ledger.ban(source(1), None, rule(), 1060).unwrap();
    assert_eq!((again.since_s, again.until_s, again.nth), (1060, 1300, 2));
}
