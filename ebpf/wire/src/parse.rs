//! From bytes to a [`Flow`]: Ethernet, up to two VLAN tags, IPv4 or IPv6, then the transport header.
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::{flow::Flow, packet::Packet, reason::Reason};

mod ipv4;
mod ipv6;
mod transport;

/// Bytes of an Ethernet header without tags.
const ETHERNET_BYTES: usize = 14;
/// Bytes of a VLAN tag.
const TAG_BYTES: usize = 4;

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const ETHERTYPE_VLAN: u16 = 0x8100;
const ETHERTYPE_QINQ: u16 = 0x88a8;
const ETHERTYPE_QINQ_OLD: u16 = 0x9100;

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Ethernet {
    addresses: [u8; 12],
    ethertype: [u8; 2],
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Tag {
    control: [u8; 2],
    ethertype: [u8; 2],
}

/// Parses a frame. `Ok(None)` means that it is neither IPv4 nor IPv6.
///
/// # Errors
/// The reason why no honest stack sends this frame.
#[inline(always)]
pub fn parse<P: Packet + ?Sized>(packet: &P) -> Result<Option<Flow>, Reason> {
    let mut flow = Flow::default();
    let parsed = parse_into(packet, &mut flow)?;
    Ok(if parsed { Some(flow) } else { None })
}

/// Parses a frame in place; false means that it is neither IPv4 nor IPv6. What was learned before an error stays in
/// the flow, so that a report can name the source.
///
/// # Errors
/// The reason why no honest stack sends this frame.
#[inline(always)]
pub fn parse_into<P: Packet + ?Sized>(packet: &P, flow: &mut Flow) -> Result<bool, Reason> {
    flow.length = u32::try_from(packet.length()).unwrap_or(u32::MAX);
    let ethernet: &Ethernet = packet.at(0).ok_or(Reason::Truncated)?;
    let mut ethertype = P::be16(&ethernet.ethertype);
    let mut offset = ETHERNET_BYTES;
    if is_tag(ethertype) {
        ethertype = next_tag(packet, &mut offset)?;
        if is_tag(ethertype) {
            ethertype = next_tag(packet, &mut offset)?;
            if is_tag(ethertype) {
                return Err(Reason::VlanDepth);
            }
        }
    }
    match ethertype {
        ETHERTYPE_IPV4 => ipv4::parse(packet, offset, flow).map(|()| true),
        ETHERTYPE_IPV6 => ipv6::parse(packet, offset, flow).map(|()| true),
        _ => Ok(false),
    }
}

#[inline(always)]
const fn is_tag(ethertype: u16) -> bool {
    matches!(ethertype, ETHERTYPE_VLAN | ETHERTYPE_QINQ | ETHERTYPE_QINQ_OLD)
}

#[inline(always)]
fn next_tag<P: Packet + ?Sized>(packet: &P, offset: &mut usize) -> Result<u16, Reason> {
    let tag: &Tag = packet.at(*offset).ok_or(Reason::Truncated)?;
    *offset += TAG_BYTES;
    Ok(P::be16(&tag.ethertype))
}

/// Where a datagram ends, and so how much of the frame may be read as its payload.
#[derive(Clone, Copy)]
struct Extent {
    offset: usize,
    end: usize,
}

/// An offset as the flow keeps it.
#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "two tags, an IPv6 header and six extensions end before 2^16"
)]
const fn place(offset: usize) -> u16 {
    offset as u16
}

/// What a fragment header says: marks the flow, and checks that the pieces can be put together.
///
/// RFC 791 and RFC 8200, 4.5: every fragment but the last is a multiple of eight bytes, and none may end past 65,535.
#[inline(always)]
fn fragment(flow: &mut Flow, eighths: u16, more: bool, payload: usize) -> Result<(), Reason> {
    if eighths == 0 && !more {
        return Ok(());
    }
    let end = (eighths as usize) * 8 + payload;
    // A fragment within a first fragment is no more than a way to confuse whoever looks for the transport header.
    let nested = flow.marks & crate::flow::MARK_FIRST != 0;
    if nested || (more && payload & 7 != 0) || end > 0xffff {
        return Err(Reason::FragmentBad);
    }
    flow.marks |= if eighths == 0 { crate::flow::MARK_FIRST } else { crate::flow::MARK_LATER };
    // RFC 3128: a fragment at offset 8 would overwrite the flags of the TCP header before it.
    if eighths == 1 && flow.protocol == crate::flow::protocol::TCP {
        return Err(Reason::FragmentTiny);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
