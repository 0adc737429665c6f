//! The IPv6 header and a bounded chain of extension headers.
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::{Extent, fragment, place, transport};
use crate::{
    address::Address,
    flow::{Flow, MARK_FIRST, MARK_LATER, MARK_OPTIONS, MARK_V6},
    packet::Packet,
    reason::Reason,
};

/// Bytes of the fixed header.
const HEADER_BYTES: usize = 40;
/// Extension headers that the parser follows.
const EXTENSIONS_MAX: usize = 6;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Header {
    version: u8,
    label: [u8; 3],
    payload: [u8; 2],
    next: u8,
    hop_limit: u8,
    source: [[u8; 8]; 2],
    destination: [[u8; 8]; 2],
}

/// The first eight bytes of any extension header.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Extension {
    next: u8,
    length: u8,
    fragment: [u8; 2],
    rest: [u8; 4],
}

#[inline(always)]
pub(super) fn parse<P: Packet + ?Sized>(packet: &P, offset: usize, flow: &mut Flow) -> Result<(), Reason> {
    let header: &Header = packet.at(offset).ok_or(Reason::Truncated)?;
    if header.version >> 4 != 6 {
        return Err(Reason::IpVersion);
    }
    let ([high, low], [to_high, to_low]) = (&header.source, &header.destination);
    flow.source = Address::v6(P::be64(high), P::be64(low));
    flow.destination = Address::v6(P::be64(to_high), P::be64(to_low));
    flow.hop_limit = header.hop_limit;
    flow.network = place(offset);
    flow.marks |= MARK_V6;
    // A mapped address on the wire would be judged as the IPv4 address it pretends to be.
    if flow.source.is_v4() || flow.destination.is_v4() {
        return Err(Reason::SourceInvalid);
    }
    let start = offset + HEADER_BYTES;
    let end = start + P::be16(&header.payload) as usize;
    if end > packet.length() {
        return Err(Reason::IpLength);
    }
    flow.protocol = header.next;
    let extent = extensions(packet, Extent { offset: start, end }, flow)?;
    transport::parse(packet, extent, flow)
}

/// Follows the chain until something that is no extension header, or until a later fragment, which has none.
#[inline(always)]
fn extensions<P: Packet + ?Sized>(packet: &P, mut extent: Extent, flow: &mut Flow) -> Result<Extent, Reason> {
    for _ in 0..EXTENSIONS_MAX {
        if !is_extension(flow.protocol) || flow.marks & MARK_LATER != 0 {
            return Ok(extent);
        }
        extent.offset = extension(packet, extent, flow)?;
    }
    if is_extension(flow.protocol) && flow.marks & MARK_LATER == 0 {
        return Err(Reason::ExtensionDepth);
    }
    Ok(extent)
}

#[inline(always)]
const fn is_extension(next: u8) -> bool {
    matches!(next, HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION)
}

/// One extension header; where the next one begins.
#[inline(always)]
fn extension<P: Packet + ?Sized>(packet: &P, extent: Extent, flow: &mut Flow) -> Result<usize, Reason> {
    let Extent { offset, end } = extent;
    let header: &Extension = packet.at(offset).ok_or(Reason::Truncated)?;
    let bytes = match flow.protocol {
        FRAGMENT => 8,
        // RFC 4302, 2.2: the length counts words of four bytes, less two.
        AUTHENTICATION => (header.length as usize + 2) * 4,
        _ => (header.length as usize + 1) * 8,
    };
    let next = offset + bytes;
    if next > end {
        return Err(if flow.marks & MARK_FIRST != 0 { Reason::FragmentTiny } else { Reason::IpLength });
    }
    let is_fragment = flow.protocol == FRAGMENT;
    flow.protocol = header.next;
    flow.marks |= MARK_OPTIONS;
    if is_fragment {
        let word = P::be16(&header.fragment);
        fragment(flow, word >> 3, word & 1 != 0, end - next)?;
    }
    Ok(next)
}
