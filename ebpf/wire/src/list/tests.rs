//! Tests of the parent module.
use alloc::{vec, vec::Vec};
use core::net::IpAddr;

use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};

use super::{
    Mark,
    image::{Entry, Image, List, Tie},
};
use crate::address::Address;

fn entry(text: &str, list: List) -> Entry {
    let (network, length) = text.split_once('/').unwrap();
    Entry::new(network.parse().unwrap(), length.parse().unwrap(), list).unwrap()
}

fn check(entries: &[(&str, List)], tie: Tie, expect: &[(&str, Mark)]) {
    let image = Image::compile(entries.iter().map(|(text, list)| entry(text, *list)).collect(), tie).unwrap();
    for (address, mark) in expect {
        let address: IpAddr = address.parse().unwrap();
        assert_eq!(image.find(address.into()), *mark, "{address} among {entries:?}");
    }
}

#[test]
fn longest_prefix_wins_within_and_across_lists() {
    check(
        &[
            ("10.0.0.0/8", List::Deny),
            ("10.1.0.0/16", List::Allow),
            ("10.1.2.0/25", List::Deny),
            ("10.1.2.3/32", List::Allow),
        ],
        Tie::Deny,
        &[
            ("9.255.255.255", Mark::None),
            ("10.0.0.0", Mark::Deny),
            ("10.1.0.0", Mark::Allow),
            ("10.1.2.2", Mark::Deny),
            ("10.1.2.3", Mark::Allow),
            ("10.1.2.4", Mark::Deny),
            ("10.1.2.127", Mark::Deny),
            ("10.1.2.128", Mark::Allow),
            ("10.1.255.255", Mark::Allow),
            ("10.2.0.0", Mark::Deny),
            ("10.255.255.255", Mark::Deny),
            ("11.0.0.0", Mark::None),
        ],
    );
}

/// Long lists have a filter over smaller networks, which is seen by nobody but the clock.
#[test]
fn a_long_list_finds_every_entry_and_no_neighbour() {
    // An odd factor permutes the addresses, so all are different and lie anywhere.
    let hosts: alloc::collections::BTreeSet<u32> =
        (0..100_000_u32).map(|n| n.wrapping_mul(0x9e37_79b1)).collect();
    let denied = |host: &u32| Entry::new(core::net::Ipv4Addr::from_bits(*host).into(), 32, List::Deny);
    let image = Image::compile(hosts.iter().filter_map(denied).collect(), Tie::Deny).unwrap();
    assert_eq!(image.front.v4_near_shift, 10);
    for host in hosts.iter().step_by(7) {
        assert_eq!(image.find(Address::v4(*host)), Mark::Deny, "{host:#x}");
        for bit in [0, 7, 8, 9, 10, 11, 12, 31] {
            let neighbour = host ^ (1 << bit);
            let expect = if hosts.contains(&neighbour) { Mark::Deny } else { Mark::None };
            assert_eq!(image.find(Address::v4(neighbour)), expect, "{neighbour:#x}");
        }
    }
}

#[test]
fn a_tie_goes_where_the_configuration_says() {
    let both = [("192.0.2.0/24", List::Allow), ("192.0.2.0/24", List::Deny)];
    check(&both, Tie::Deny, &[("192.0.2.9", Mark::Deny)]);
    check(&both, Tie::Allow, &[("192.0.2.9", Mark::Allow)]);
    let trusted = [("192.0.2.0/24", List::Trusted), ("192.0.2.0/24", List::Deny)];
    check(&trusted, Tie::Deny, &[("192.0.2.9", Mark::Allow)]);
}

#[test]
fn nothing_within_a_trusted_network_is_denied() {
    check(
        &[
            ("10.0.0.0/8", List::Deny),
            ("10.9.0.0/16", List::Trusted),
            ("10.9.9.9/32", List::Deny),
            ("2001:db8::/32", List::Trusted),
            ("2001:db8::1/128", List::Deny),
        ],
        Tie::Deny,
        &[("10.9.9.9", Mark::Allow), ("10.8.0.1", Mark::Deny), ("2001:db8::1", Mark::Allow)],
    );
}

#[test]
fn everything_and_the_edges() {
    check(
        &[("0.0.0.0/0", List::Deny), ("255.255.255.255/32", List::Allow), ("0.0.0.0/32", List::Allow)],
        Tie::Deny,
        &[
            ("0.0.0.0", Mark::Allow),
            ("0.0.0.1", Mark::Deny),
            ("255.255.255.254", Mark::Deny),
            ("255.255.255.255", Mark::Allow),
            ("::1", Mark::None),
        ],
    );
    check(
        &[("::/0", List::Deny), ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", List::Allow)],
        Tie::Deny,
        &[
            ("::", Mark::Deny),
            ("2001:db8::1", Mark::Deny),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", Mark::Deny),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Mark::Allow),
        ],
    );
    check(&[], Tie::Deny, &[("192.0.2.1", Mark::None), ("2001:db8::", Mark::None)]);
}

/// Up to seven hosts of one mark stand in a digest; more, or of two marks, in a line of their own.
#[test]
fn few_hosts_and_many_of_one_slash_24() {
    let check = |network: [u8; 3], hosts: &[u8], allowed: &[u8]| {
        let [a, b, c] = network;
        let entry = |host: &u8, list| Entry::new([a, b, c, *host].into(), 32, list).unwrap();
        let mut entries: Vec<Entry> = hosts.iter().map(|host| entry(host, List::Deny)).collect();
        entries.extend(allowed.iter().map(|host| entry(host, List::Allow)));
        // A neighbour with a digest of its own.
        entries.push(Entry::new([a, b, c + 1, 7].into(), 32, List::Deny).unwrap());
        let image = Image::compile(entries, Tie::Deny).unwrap();
        for host in 0..=255 {
            let expect = match host {
                _ if hosts.contains(&host) => Mark::Deny,
                _ if allowed.contains(&host) => Mark::Allow,
                _ => Mark::None,
            };
            assert_eq!(image.find(IpAddr::from([a, b, c, host]).into()), expect, "{host} of {hosts:?}");
            let expect = if host == 7 { Mark::Deny } else { Mark::None };
            assert_eq!(image.find(IpAddr::from([a, b, c + 1, host]).into()), expect, "neighbour {host}");
        }
    };
    let hosts = [0, 1, 2, 127, 128, 254, 255, 3, 64];
    for count in 0..=hosts.len() {
        check([10, 0, 0], &hosts[..count], &[]);
        check([255, 255, 254], &hosts[..count], &[100]);
        check([0, 0, 23], &[], &hosts[..count]);
    }
}

/// The counts before words and stretches, at their borders.
#[test]
fn divided_networks_all_over() {
    let networks: Vec<u32> =
        (0..0x100_0000).step_by(4093).chain([23, 24, 49_151, 49_152, 0xff_ffff]).collect();
    let host = |network: u32| address_v4((network << 8) | (network % 251));
    let entries = networks.iter().filter_map(|network| Entry::new(host(*network), 32, List::Deny));
    let image = Image::compile(entries.collect(), Tie::Deny).unwrap();
    for network in networks {
        assert_eq!(image.find(host(network).into()), Mark::Deny, "{network}");
        assert_eq!(
            image.find(address_v4((network << 8) | (network % 251 + 1)).into()),
            Mark::None,
            "{network}"
        );
    }
}

fn address_v4(number: u32) -> IpAddr {
    core::net::Ipv4Addr::from_bits(number).into()
}

#[test]
fn v6_of_every_depth() {
    check(
        &[
            ("2001:db8::/29", List::Deny),
            ("2001:db8:0:1::/64", List::Allow),
            ("2001:db8:0:1::7/128", List::Deny),
            ("fe80::/10", List::Deny),
            ("100::/64", List::Deny),
        ],
        Tie::Deny,
        &[
            ("2001:db7:ffff::", Mark::None),
            ("2001:db8::", Mark::Deny),
            ("2001:db8:0:1::6", Mark::Allow),
            ("2001:db8:0:1::7", Mark::Deny),
            ("2001:db8:0:1::8", Mark::Allow),
            ("2001:db8:0:2::", Mark::Deny),
            ("2001:dbf:ffff::", Mark::Deny),
            ("2001:dc0::", Mark::None),
            ("fe80::1", Mark::Deny),
            ("fec0::1", Mark::None),
            ("100::1", Mark::Deny),
            ("100:0:0:1::", Mark::None),
        ],
    );
}

#[test]
fn lengths_that_a_family_lacks_are_refused() {
    assert!(Entry::new("192.0.2.0".parse().unwrap(), 33, List::Deny).is_none());
    assert!(Entry::new("2001:db8::".parse().unwrap(), 129, List::Deny).is_none());
}

/// The definition itself: the longest entry that contains the address, trusted before all.
fn naive(entries: &[(Address, u8, List)], address: Address) -> Mark {
    let contains = |(network, length, _): &&(Address, u8, List)| {
        let shift = 128 - u32::from(*length);
        let cut = |number: u128| number.checked_shr(shift).unwrap_or(0);
        cut(network.number()) == cut(address.number())
    };
    if entries.iter().filter(contains).any(|entry| entry.2 == List::Trusted) {
        return Mark::Allow;
    }
    let rank = |entry: &&(Address, u8, List)| (entry.1, entry.2 == List::Deny);
    entries.iter().filter(contains).max_by_key(rank).map_or(Mark::None, |entry| match entry.2 {
        List::Deny => Mark::Deny,
        List::Allow | List::Trusted => Mark::Allow,
    })
}

/// Addresses crowded into few neighbourhoods, so that prefixes nest and probes hit.
fn crowded() -> impl Strategy<Value = Address> {
    (any::<bool>(), any::<u64>(), any::<u64>(), 0_u32..3).prop_map(|(v4, high, low, crowd)| {
        let keep = u64::from(crowd) * 0x000f_000f + 3;
        if v4 {
            Address::v4(0x0a00_0000 | u32::try_from(low & 0x00ff_ffff & (keep | 0x103)).unwrap())
        } else {
            Address::v6(0x2001_0db8_0000_0000 | (high & keep), low & (keep << 40 | 3))
        }
    })
}

fn list() -> impl Strategy<Value = List> {
    (0_u8..9).prop_map(|die| match die {
        0 => List::Trusted,
        1..=4 => List::Allow,
        _ => List::Deny,
    })
}

proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 64, failure_persistence: None, ..Default::default() })]
    #[test]
    fn agrees_with_the_definition(
        entries in proptest::collection::vec((crowded(), 0_u8..=128, list()), 0..60),
        probes in proptest::collection::vec(crowded(), 100),
    ) {
        let mut written = Vec::new();
        let mut meant = Vec::new();
        for (address, length, list) in entries {
            let width = if address.is_v4() { 32 } else { 128 };
            let length = length.min(width);
            written.push(Entry::new(address.into(), length, list).unwrap());
            meant.push((address, 128 - width + length, list));
        }
        let image = Image::compile(written, Tie::Deny).unwrap();
        let borders = meant.iter().flat_map(|(address, _, _)| {
            let number = address.number();
            vec![*address, Address::from_number(number.wrapping_add(1)), Address::from_number(number.wrapping_sub(1))]
        });
        for probe in probes.into_iter().chain(borders) {
            // An IPv6 prefix short enough contains the mapped block as numbers, but never as addresses.
            let family: Vec<_> = meant.iter().filter(|entry| entry.0.is_v4() == probe.is_v4()).copied().collect();
            prop_assert_eq!(image.find(probe), naive(&family, probe), "{:?}", IpAddr::from(probe));
        }
    }
}
