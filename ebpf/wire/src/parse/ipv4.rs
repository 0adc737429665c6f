//! The IPv4 header, its options and its fragments.
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::{Extent, fragment, place, transport};
use crate::{
    address::Address,
    flow::{Flow, MARK_OPTIONS},
    packet::Packet,
    reason::Reason,
};

/// Bytes of a header without options.
const HEADER_BYTES: usize = 20;
const MORE_FRAGMENTS: u16 = 0x2000;
const FRAGMENT_OFFSET: u16 = 0x1fff;

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Header {
    version_and_words: u8,
    service: u8,
    total: [u8; 2],
    identification: [u8; 2],
    fragment: [u8; 2],
    ttl: u8,
    protocol: u8,
    checksum: [u8; 2],
    source: [u8; 4],
    destination: [u8; 4],
}

#[inline(always)]
pub(super) fn parse<P: Packet + ?Sized>(packet: &P, offset: usize, flow: &mut Flow) -> Result<(), Reason> {
    let header: &Header = packet.at(offset).ok_or(Reason::Truncated)?;
    if header.version_and_words >> 4 != 4 {
        return Err(Reason::IpVersion);
    }
    let header_bytes = ((header.version_and_words & 0xf) as usize) * 4;
    if header_bytes < HEADER_BYTES {
        return Err(Reason::IpHeader);
    }
    flow.source = Address::v4(P::be32(&header.source));
    flow.destination = Address::v4(P::be32(&header.destination));
    flow.protocol = header.protocol;
    flow.hop_limit = header.ttl;
    flow.network = place(offset);
    if header_bytes > HEADER_BYTES {
        flow.marks |= MARK_OPTIONS;
    }
    let total = P::be16(&header.total) as usize;
    if total < header_bytes || offset + total > packet.length() {
        return Err(Reason::IpLength);
    }
    let pieces = P::be16(&header.fragment);
    fragment(flow, pieces & FRAGMENT_OFFSET, pieces & MORE_FRAGMENTS != 0, total - header_bytes)?;
    transport::parse(packet, Extent { offset: offset + header_bytes, end: offset + total }, flow)
}
