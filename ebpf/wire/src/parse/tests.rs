//! Tests of the parent module.
use super::parse;
use crate::{
    address::Address,
    flow::{Flow, MARK_FIRST, MARK_LATER, MARK_OPTIONS, MARK_V6},
    reason::Reason,
};

extern crate std;
use std::{vec, vec::Vec};

fn ethernet(tags: &[u16], ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2; 12];
    for tag in tags {
        frame.extend(tag.to_be_bytes());
        frame.extend([0, 7]);
    }
    frame.extend(ethertype.to_be_bytes());
    frame.extend(payload);
    frame
}

fn ipv4(protocol: u8, options: usize, pieces: u16, payload: &[u8]) -> Vec<u8> {
    let header = 20 + options;
    let total = u16::try_from(header + payload.len()).unwrap();
    let mut bytes = vec![0x40 | u8::try_from(header / 4).unwrap(), 0];
    bytes.extend(total.to_be_bytes());
    bytes.extend([0, 1]);
    bytes.extend(pieces.to_be_bytes());
    bytes.extend([64, protocol, 0, 0, 192, 0, 2, 1, 198, 51, 100, 1]);
    bytes.extend(vec![1; options]);
    bytes.extend(payload);
    bytes
}

fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    bytes.extend([next, 64]);
    bytes.extend((0x2001_0db8_u128 << 96 | 1).to_be_bytes());
    bytes.extend((0x2001_0db8_u128 << 96 | 2).to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn tcp(words: u8) -> Vec<u8> {
    let mut bytes =
        vec![0x9c, 0x40, 0x01, 0xbb, 0, 0, 0, 1, 0, 0, 0, 0, words << 4, 2, 0xfa, 0xf0, 0, 0, 0, 0];
    bytes.extend(vec![1; usize::from(words).saturating_sub(5) * 4]);
    bytes
}

fn udp(length: u16, payload: usize) -> Vec<u8> {
    let mut bytes = vec![0x9c, 0x40, 0x00, 0x35];
    bytes.extend(length.to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(vec![0; payload]);
    bytes
}

fn flow(frame: &[u8]) -> Flow {
    parse(frame).unwrap().unwrap()
}

fn refused(frame: &[u8], reason: Reason) {
    assert_eq!(parse(frame), Err(reason), "{frame:x?}");
}

#[test]
fn tcp_over_ipv4() {
    let flow = flow(&ethernet(&[], 0x0800, &ipv4(6, 0, 0, &tcp(5))));
    assert_eq!(flow.source, Address::v4(0xc000_0201));
    assert_eq!(flow.destination, Address::v4(0xc633_6401));
    assert_eq!((flow.source_port, flow.destination_port, flow.tcp_flags), (40_000, 443, 2));
    assert_eq!((flow.network, flow.transport, flow.marks, flow.length), (14, 34, 0, 54));
    assert!(flow.is_syn());
}

#[test]
fn up_to_two_tags() {
    let inner = ipv4(6, 0, 0, &tcp(5));
    assert_eq!(flow(&ethernet(&[0x8100], 0x0800, &inner)).network, 18);
    assert_eq!(flow(&ethernet(&[0x88a8, 0x8100], 0x0800, &inner)).network, 22);
    refused(&ethernet(&[0x88a8, 0x8100, 0x8100], 0x0800, &inner), Reason::VlanDepth);
    refused(&ethernet(&[0x8100], 0x0800, &inner)[..16], Reason::Truncated);
}

#[test]
fn what_is_not_ip_passes() {
    assert_eq!(parse(ethernet(&[], 0x0806, &[0; 28]).as_slice()), Ok(None));
    assert_eq!(parse(ethernet(&[0x8100], 0x88cc, &[0; 46]).as_slice()), Ok(None));
    refused(&[0; 13], Reason::Truncated);
}

#[test]
fn ipv4_lengths() {
    let packet = ipv4(6, 0, 0, &tcp(5));
    let with = |at: usize, value: u8| {
        let mut bytes = packet.clone();
        bytes[at] = value;
        ethernet(&[], 0x0800, &bytes)
    };
    refused(&with(0, 0x65), Reason::IpVersion);
    refused(&with(0, 0x44), Reason::IpHeader);
    refused(&with(3, 19), Reason::IpLength);
    refused(&with(3, 41), Reason::IpLength);
    refused(&with(3, 39), Reason::Truncated);
    refused(&with(32, 0x40), Reason::TcpHeader);
    refused(&with(32, 0x60), Reason::TcpHeader);
    refused(&ethernet(&[], 0x0800, &packet[..19]), Reason::Truncated);
    assert_eq!(flow(&ethernet(&[], 0x0800, &ipv4(6, 40, 0, &tcp(15)))).marks, MARK_OPTIONS);
    let mut padded = ethernet(&[], 0x0800, &packet);
    padded.extend([0; 6]);
    assert_eq!(flow(&padded).length, 60);
}

#[test]
fn udp_lengths() {
    let frame = |length, payload| ethernet(&[], 0x0800, &ipv4(17, 0, 0, &udp(length, payload)));
    assert_eq!(flow(&frame(12, 4)).destination_port, 53);
    assert_eq!(flow(&frame(10, 4)).destination_port, 53);
    refused(&frame(13, 4), Reason::UdpLength);
    refused(&frame(7, 4), Reason::UdpLength);
    refused(&ethernet(&[], 0x0800, &ipv4(17, 0, 0, &[0; 7])), Reason::Truncated);
    refused(&ethernet(&[], 0x0800, &ipv4(1, 0, 0, &[8; 7])), Reason::Truncated);
}

#[test]
fn ipv4_fragments() {
    let frame = |pieces, payload: &[u8]| ethernet(&[], 0x0800, &ipv4(6, 0, pieces, payload));
    let mut long = tcp(5);
    long.extend([0; 4]);
    assert_eq!(flow(&frame(0x2000, &long)).marks, MARK_FIRST);
    assert_eq!(flow(&frame(0x0003, &[0; 5])).marks, MARK_LATER);
    assert_eq!(flow(&frame(0x0003, &[0; 5])).destination_port, 0);
    assert_eq!(flow(&frame(0x4000, &long)).marks, 0);
    refused(&frame(0x2000, &long[..16]), Reason::FragmentTiny);
    refused(&frame(0x2000, &long[..23]), Reason::FragmentBad);
    refused(&frame(0x0001, &long), Reason::FragmentTiny);
    refused(&frame(0x1fff, &long), Reason::FragmentBad);
}

#[test]
fn ipv6_extensions() {
    let chain = |count: usize| {
        let mut bytes = Vec::new();
        for index in 0..count {
            bytes.extend([if index + 1 == count { 6 } else { 60 }, 0, 1, 4, 0, 0, 0, 0]);
        }
        bytes.extend(tcp(5));
        ethernet(&[], 0x86dd, &ipv6(if count == 0 { 6 } else { 60 }, &bytes))
    };
    assert_eq!(flow(&chain(0)).marks, MARK_V6);
    for count in 1..=6 {
        let flow = flow(&chain(count));
        assert_eq!((flow.marks, flow.destination_port), (MARK_V6 | MARK_OPTIONS, 443), "{count}");
        assert_eq!(usize::from(flow.transport), 54 + count * 8);
    }
    refused(&chain(7), Reason::ExtensionDepth);
    let authentication = [&[6, 4, 0, 0][..], &[0; 20], &tcp(5)].concat();
    assert_eq!(flow(&ethernet(&[], 0x86dd, &ipv6(51, &authentication))).transport, 54 + 24);
    let past_end = [&[6, 9, 0, 0, 0, 0, 0, 0][..], &tcp(5)].concat();
    refused(&ethernet(&[], 0x86dd, &ipv6(0, &past_end)), Reason::IpLength);
    refused(&ethernet(&[], 0x86dd, &ipv6(0, &[6, 0])), Reason::Truncated);
    assert_eq!(flow(&ethernet(&[], 0x86dd, &ipv6(59, &[]))).protocol, 59);
    assert_eq!(flow(&ethernet(&[], 0x86dd, &ipv6(50, &[0; 16]))).protocol, 50);
}

#[test]
fn ipv6_fragments() {
    let frame = |word: u16, payload: &[u8]| {
        let word = word.to_be_bytes();
        let bytes = [&[6, 0, word[0], word[1], 0, 0, 0, 9][..], payload].concat();
        ethernet(&[], 0x86dd, &ipv6(44, &bytes))
    };
    let mut long = tcp(5);
    long.extend([0; 4]);
    let marks = MARK_V6 | MARK_OPTIONS;
    assert_eq!(flow(&frame(1, &long)).marks, marks | MARK_FIRST);
    assert_eq!(flow(&frame(0, &long)).marks, marks);
    assert_eq!(flow(&frame(3 << 3, &long)).marks, marks | MARK_LATER);
    refused(&frame(1, &long[..16]), Reason::FragmentTiny);
    refused(&frame(1, &long[..23]), Reason::FragmentBad);
    refused(&frame(1 << 3, &long), Reason::FragmentTiny);
    refused(&frame(0xfff8, &long), Reason::FragmentBad);
}

#[test]
fn a_mapped_address_on_the_wire_is_refused() {
    let mut packet = ipv6(6, &tcp(5));
    packet[8..24].copy_from_slice(&Address::v4(0xc000_0201).number().to_be_bytes());
    refused(&ethernet(&[], 0x86dd, &packet), Reason::SourceInvalid);
}

/// A small generator whose sequence is the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % sides
    }
}

#[test]
fn a_hundred_thousand_mutations_keep_the_invariants() {
    let seeds = [
        ethernet(&[], 0x0800, &ipv4(6, 0, 0, &tcp(8))),
        ethernet(&[0x8100], 0x0800, &ipv4(17, 12, 0, &udp(30, 22))),
        ethernet(
            &[0x88a8, 0x8100],
            0x86dd,
            &ipv6(0, &[&[44, 0, 1, 4, 0, 0, 0, 0, 6, 0, 0, 1, 0, 0, 0, 9][..], &tcp(6)].concat()),
        ),
        ethernet(
            &[],
            0x86dd,
            &ipv6(60, &[&[58, 0, 1, 4, 0, 0, 0, 0][..], &[135, 0, 0, 0, 0, 0, 0, 0]].concat()),
        ),
    ];
    let mut dice = Dice(0x5eed_face);
    let mut outcomes = [0_u32; 3];
    for _ in 0..100_000 {
        let mut frame = seeds[dice.roll(seeds.len())].clone();
        for _ in 0..dice.roll(4) {
            let at = 12 + dice.roll(frame.len() - 12);
            frame[at] = u8::try_from(dice.roll(256)).unwrap();
        }
        if dice.roll(3) == 0 {
            frame.truncate(dice.roll(frame.len() + 1));
        }
        match parse(frame.as_slice()) {
            Ok(Some(flow)) => {
                outcomes[0] += 1;
                assert!(usize::from(flow.transport) <= frame.len() && flow.network < flow.transport);
                assert_ne!(flow.marks & (MARK_FIRST | MARK_LATER), MARK_FIRST | MARK_LATER);
                assert!(flow.is_v6() || flow.source.is_v4());
            }
            Ok(None) => outcomes[1] += 1,
            Err(reason) => {
                outcomes[2] += 1;
                assert_eq!(reason.stage(), crate::reason::Stage::Malformed);
            }
        }
    }
    assert!(outcomes.iter().all(|count| *count > 1_000), "{outcomes:?}");
}
