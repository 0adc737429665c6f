//! What must hold for every frame: the tests replay files by it, and the fuzz target tries to break it.

use weir_wire::flow::{MARK_FIRST, MARK_LATER, MARK_OPTIONS, MARK_V6};
use weir_wire::{Address, Flow, Stage, anomaly, parse};

/// Parses a frame, and panics if what the parser says of it cannot be.
pub(crate) fn survive(frame: &[u8]) {
    let told = parse::parse(frame);
    assert_eq!(told, parse::parse(frame), "another time, another answer");
    match told {
        Ok(Some(flow)) => {
            lies_within(frame, &flow);
            says_what_is_there(frame, &flow);
            if let Err(reason) = anomaly::check(&flow) {
                assert_eq!(reason.stage(), Stage::Malformed);
            }
        }
        Ok(None) => assert!(frame.len() >= 14, "less than an Ethernet header"),
        Err(reason) => assert_eq!(reason.stage(), Stage::Malformed),
    }
    // Whatever is cut off behind the transport header's end, nothing is read that is not there.
    for length in 0..frame.len().min(128) {
        if let Ok(Some(flow)) = parse::parse(&frame[..length]) {
            lies_within(&frame[..length], &flow);
        }
    }
}

fn lies_within(frame: &[u8], flow: &Flow) {
    let (network, transport) = (usize::from(flow.network), usize::from(flow.transport));
    assert_eq!(usize::try_from(flow.length).unwrap(), frame.len());
    assert!([14, 18, 22].contains(&network), "{flow:?}");
    let header = if flow.is_v6() { 40 } else { 20 };
    assert!(network + header <= transport && transport <= frame.len(), "{flow:?}");
    assert_eq!(flow.marks & MARK_OPTIONS != 0, transport > network + header, "{flow:?}");
    assert_ne!(flow.marks & (MARK_FIRST | MARK_LATER), MARK_FIRST | MARK_LATER, "{flow:?}");
    assert_eq!(flow.marks & !(MARK_V6 | MARK_FIRST | MARK_LATER | MARK_OPTIONS), 0, "{flow:?}");
    let least = match () {
        () if flow.is_tcp() => 20,
        () if flow.is_udp() => 8,
        () => 0,
    };
    assert!(transport + least <= frame.len(), "{flow:?}");
    assert_eq!(flow.reserved, [0; 7]);
}

/// Addresses and ports are those that stand in the frame, read here byte by byte.
fn says_what_is_there(frame: &[u8], flow: &Flow) {
    let network = usize::from(flow.network);
    let number = |from: usize, bytes: usize| {
        frame[from..from + bytes].iter().fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte))
    };
    let address = |at: usize| match flow.is_v6() {
        true => Address::from_number(number(network + 8 + at * 16, 16)),
        false => Address::v4(u32::try_from(number(network + 12 + at * 4, 4)).unwrap()),
    };
    assert_eq!((flow.source, flow.destination), (address(0), address(1)), "{flow:?}");
    let transport = usize::from(flow.transport);
    let ports = if flow.is_tcp() || flow.is_udp() { number(transport, 4) } else { 0 };
    let told = u128::from(flow.source_port) << 16 | u128::from(flow.destination_port);
    assert_eq!(told, ports, "{flow:?}");
    let flags = if flow.is_tcp() { frame[transport + 13] } else { 0 };
    assert_eq!(flow.tcp_flags, flags, "{flow:?}");
}
