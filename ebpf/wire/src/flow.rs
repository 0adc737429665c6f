//! What the parser learns about a packet: all that the stages look at.
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::address::Address;

/// IP protocol numbers that the shield tells apart.
pub mod protocol {
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// ICMP for IPv6.
    pub const ICMP6: u8 = 58;
}

/// TCP flag bits.
pub mod tcp {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Opens a connection.
    pub const SYN: u8 = 0x02;
    /// Resets a connection.
    pub const RST: u8 = 0x04;
    /// Acknowledges.
    pub const ACK: u8 = 0x10;
}

/// A parsed packet. Plain numbers without padding, so that it can cross a table unchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Flow {
    /// Who sent it.
    pub source: Address,
    /// To whom.
    pub destination: Address,
    /// Bytes in the frame, Ethernet header included.
    pub length: u32,
    /// TCP or UDP source port, else 0.
    pub source_port: u16,
    /// TCP or UDP destination port, else 0.
    pub destination_port: u16,
    /// Where the IP header begins.
    pub network: u16,
    /// Where the transport header begins.
    pub transport: u16,
    /// The IP protocol after all extension headers.
    pub protocol: u8,
    /// The TCP flags, else 0.
    pub tcp_flags: u8,
    /// The ICMP type, else 0.
    pub icmp_type: u8,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// The `MARK_` bits.
    pub marks: u8,
    /// Zero.
    pub reserved: [u8; 7],
}

/// The packet is IPv6.
pub const MARK_V6: u8 = 1;
/// The first fragment of several: it has a transport header.
pub const MARK_FIRST: u8 = 2;
/// A later fragment: it has no transport header.
pub const MARK_LATER: u8 = 4;
/// IPv4 options or IPv6 extension headers are present.
pub const MARK_OPTIONS: u8 = 8;

impl Flow {
    /// Whether the packet is IPv6.
    #[must_use]
    #[inline(always)]
    pub const fn is_v6(&self) -> bool {
        self.marks & MARK_V6 != 0
    }

    /// Whether this is a fragment without a transport header.
    #[must_use]
    #[inline(always)]
    pub const fn is_later_fragment(&self) -> bool {
        self.marks & MARK_LATER != 0
    }

    /// Whether this is TCP with a transport header.
    #[must_use]
    #[inline(always)]
    pub const fn is_tcp(&self) -> bool {
        self.protocol == protocol::TCP && !self.is_later_fragment()
    }

    /// Whether this is UDP with a transport header.
    #[must_use]
    #[inline(always)]
    pub const fn is_udp(&self) -> bool {
        self.protocol == protocol::UDP && !self.is_later_fragment()
    }

    /// Whether this is ICMP of the packet's own family.
    #[must_use]
    #[inline(always)]
    pub const fn is_icmp(&self) -> bool {
        self.protocol == if self.is_v6() { protocol::ICMP6 } else { protocol::ICMP }
    }

    /// Whether this opens a TCP connection.
    #[must_use]
    #[inline(always)]
    pub const fn is_syn(&self) -> bool {
        self.is_tcp() && self.tcp_flags & (tcp::SYN | tcp::ACK | tcp::RST) == tcp::SYN
    }

    /// Whether this could be the last step of a TCP handshake.
    #[must_use]
    #[inline(always)]
    pub const fn is_ack(&self) -> bool {
        self.is_tcp() && self.tcp_flags & (tcp::SYN | tcp::ACK | tcp::RST) == tcp::ACK
    }

    /// Neighbour discovery, which a router never forwards: hop limit 255 proves the sender is on the link (RFC 4861, 11.2).
    #[must_use]
    #[inline(always)]
    pub const fn is_neighbor_discovery(&self) -> bool {
        self.is_v6()
            && self.protocol == protocol::ICMP6
            && self.hop_limit == 255
            && self.icmp_type >= 133
            && self.icmp_type <= 137
    }
}
