//! Packets that parse, and that still no honest stack sends.
use crate::{
    flow::{Flow, protocol, tcp},
    reason::Reason,
};

/// The port that DHCP servers listen on.
const DHCP_SERVER: u16 = 67;

/// Looks for what cannot be.
///
/// # Errors
/// The reason why no honest stack sends this packet.
#[inline(always)]
pub const fn check(flow: &Flow) -> Result<(), Reason> {
    if is_source_invalid(flow) {
        return Err(Reason::SourceInvalid);
    }
    if flow.is_tcp() {
        if are_flags_impossible(flow.tcp_flags) {
            return Err(Reason::TcpFlags);
        }
        if flow.source_port == 0 || flow.destination_port == 0 {
            return Err(Reason::PortZero);
        }
        return land(flow);
    }
    if flow.is_udp() {
        // RFC 768: a source port of zero means that no answer is expected.
        if flow.destination_port == 0 {
            return Err(Reason::PortZero);
        }
        return land(flow);
    }
    Ok(())
}

#[inline(always)]
const fn land(flow: &Flow) -> Result<(), Reason> {
    let same_address = flow.source.high == flow.destination.high && flow.source.low == flow.destination.low;
    if same_address && flow.source_port == flow.destination_port { Err(Reason::Land) } else { Ok(()) }
}

/// A segment either opens, resets or acknowledges; the first two exclude each other and the end.
#[inline(always)]
const fn are_flags_impossible(flags: u8) -> bool {
    let opens = flags & tcp::SYN != 0;
    let resets = flags & tcp::RST != 0;
    let ends = flags & tcp::FIN != 0;
    (opens && (resets || ends)) || (resets && ends) || flags & (tcp::SYN | tcp::RST | tcp::ACK) == 0
}

#[inline(always)]
const fn is_source_invalid(flow: &Flow) -> bool {
    if flow.is_v6() { is_v6_source_invalid(flow) } else { is_v4_source_invalid(flow) }
}

/// RFC 1122, 3.2.1.3: "this network" only before an address is known, loopback only within the host, never a group.
#[inline(always)]
const fn is_v4_source_invalid(flow: &Flow) -> bool {
    let source = flow.source.low & 0xffff_ffff;
    match source >> 24 {
        0 => !(source == 0 && flow.is_udp() && flow.destination_port == DHCP_SERVER) && flow.protocol != 2,
        127 => (flow.destination.low >> 24) & 0xff != 127,
        first => first >= 224,
    }
}

/// RFC 4291, 2.5.2, 2.5.3, 2.7: unspecified only before an address is known, loopback only within the host, never a group.
#[inline(always)]
const fn is_v6_source_invalid(flow: &Flow) -> bool {
    if flow.source.high == 0 && flow.source.low <= 1 {
        return if flow.source.low == 0 {
            flow.protocol != protocol::ICMP6
        } else {
            flow.destination.high != 0 || flow.destination.low != 1
        };
    }
    flow.source.high >> 56 == 0xff
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::{
        address::Address,
        flow::{Flow, MARK_V6, protocol},
        reason::Reason,
    };

    fn tcp(flags: u8) -> Flow {
        Flow {
            source: Address::v4(0xc000_0201),
            destination: Address::v4(0xc633_6401),
            source_port: 40_000,
            destination_port: 443,
            protocol: protocol::TCP,
            tcp_flags: flags,
            ..Flow::default()
        }
    }

    #[test]
    fn flags() {
        let possible = [0x02, 0x12, 0x10, 0x18, 0x11, 0x19, 0x04, 0x14, 0x38, 0xc2, 0x52];
        for flags in 0..=255 {
            let is_fine = check(&tcp(flags)).is_ok();
            if possible.contains(&flags) {
                assert!(is_fine, "{flags:#x}");
            }
        }
        for flags in [0x00, 0x01, 0x03, 0x06, 0x07, 0x08, 0x20, 0x29, 0x3f, 0x05, 0x15] {
            assert_eq!(check(&tcp(flags)), Err(Reason::TcpFlags), "{flags:#x}");
        }
    }

    #[test]
    fn sources() {
        let check_v4 = |source: u32, expect| {
            assert_eq!(check(&Flow { source: Address::v4(source), ..tcp(2) }), expect, "{source:#x}");
        };
        check_v4(0x0000_0000, Err(Reason::SourceInvalid));
        check_v4(0x0001_0000, Err(Reason::SourceInvalid));
        check_v4(0x7f00_0001, Err(Reason::SourceInvalid));
        check_v4(0xdfff_ffff, Ok(()));
        check_v4(0xe000_0001, Err(Reason::SourceInvalid));
        check_v4(0xffff_ffff, Err(Reason::SourceInvalid));
        let v6 = |high, low| Flow {
            source: Address::v6(high, low),
            destination: Address::v6(0x2001_0db8 << 32, 1),
            marks: MARK_V6,
            ..tcp(2)
        };
        assert_eq!(check(&v6(0, 0)), Err(Reason::SourceInvalid));
        assert_eq!(check(&Flow { protocol: protocol::ICMP6, ..v6(0, 0) }), Ok(()));
        assert_eq!(check(&v6(0, 1)), Err(Reason::SourceInvalid));
        assert_eq!(check(&v6(0xff02 << 48, 1)), Err(Reason::SourceInvalid));
        assert_eq!(check(&v6(0xfe80 << 48, 1)), Ok(()));
    }

    #[test]
    fn a_host_that_asks_for_an_address_has_none() {
        let ask = Flow {
            source: Address::v4(0),
            protocol: protocol::UDP,
            source_port: 68,
            destination_port: 67,
            ..tcp(0)
        };
        assert_eq!(check(&ask), Ok(()));
    }

    #[test]
    fn land_and_port_zero() {
        let same = tcp(2).destination;
        assert_eq!(check(&Flow { source: same, source_port: 443, ..tcp(2) }), Err(Reason::Land));
        assert_eq!(check(&Flow { source: same, ..tcp(2) }), Ok(()));
        assert_eq!(check(&Flow { source_port: 0, ..tcp(2) }), Err(Reason::PortZero));
        assert_eq!(check(&Flow { destination_port: 0, ..tcp(2) }), Err(Reason::PortZero));
    }
}
