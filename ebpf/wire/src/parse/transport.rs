//! TCP, UDP and ICMP: as much of them as the stages look at.
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::{Extent, place};
use crate::{
    flow::{Flow, MARK_FIRST, MARK_LATER, protocol},
    packet::Packet,
    reason::Reason,
};

/// Bytes of a TCP header without options.
const TCP_BYTES: usize = 20;
/// Bytes of a UDP header.
const UDP_BYTES: usize = 8;
/// Bytes of an ICMP header that every type has.
const ICMP_BYTES: usize = 8;

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Tcp {
    source: [u8; 2],
    destination: [u8; 2],
    sequence: [u8; 4],
    acknowledgement: [u8; 4],
    words: u8,
    flags: u8,
    window: [u8; 2],
    checksum: [u8; 2],
    urgent: [u8; 2],
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Udp {
    source: [u8; 2],
    destination: [u8; 2],
    length: [u8; 2],
    checksum: [u8; 2],
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Icmp {
    kind: u8,
    code: u8,
    checksum: [u8; 2],
    rest: [u8; 4],
}

#[inline(always)]
pub(super) fn parse<P: Packet + ?Sized>(packet: &P, extent: Extent, flow: &mut Flow) -> Result<(), Reason> {
    flow.transport = place(extent.offset);
    if flow.marks & MARK_LATER != 0 {
        return Ok(());
    }
    match flow.protocol {
        protocol::TCP => tcp(packet, extent, flow),
        protocol::UDP => udp(packet, extent, flow),
        protocol::ICMP | protocol::ICMP6 if flow.is_icmp() => icmp(packet, extent, flow),
        _ => Ok(()),
    }
}

/// The reason for a header that its datagram has no room for: in a first fragment it was cut off on purpose.
#[inline(always)]
const fn cut(flow: &Flow, otherwise: Reason) -> Reason {
    if flow.marks & MARK_FIRST != 0 { Reason::FragmentTiny } else { otherwise }
}

#[inline(always)]
fn tcp<P: Packet + ?Sized>(packet: &P, extent: Extent, flow: &mut Flow) -> Result<(), Reason> {
    if extent.offset + TCP_BYTES > extent.end {
        return Err(cut(flow, Reason::Truncated));
    }
    let header: &Tcp = packet.at(extent.offset).ok_or(Reason::Truncated)?;
    flow.source_port = P::be16(&header.source);
    flow.destination_port = P::be16(&header.destination);
    flow.tcp_flags = header.flags;
    let header_bytes = ((header.words >> 4) as usize) * 4;
    if header_bytes < TCP_BYTES {
        return Err(Reason::TcpHeader);
    }
    if extent.offset + header_bytes > extent.end {
        return Err(cut(flow, Reason::TcpHeader));
    }
    Ok(())
}

#[inline(always)]
fn udp<P: Packet + ?Sized>(packet: &P, extent: Extent, flow: &mut Flow) -> Result<(), Reason> {
    if extent.offset + UDP_BYTES > extent.end {
        return Err(cut(flow, Reason::Truncated));
    }
    let header: &Udp = packet.at(extent.offset).ok_or(Reason::Truncated)?;
    flow.source_port = P::be16(&header.source);
    flow.destination_port = P::be16(&header.destination);
    let length = P::be16(&header.length) as usize;
    // The length counts the whole datagram, of which a first fragment holds only the beginning.
    let is_whole = flow.marks & MARK_FIRST == 0;
    if length < UDP_BYTES || (is_whole && extent.offset + length > extent.end) {
        return Err(Reason::UdpLength);
    }
    Ok(())
}

#[inline(always)]
fn icmp<P: Packet + ?Sized>(packet: &P, extent: Extent, flow: &mut Flow) -> Result<(), Reason> {
    if extent.offset + ICMP_BYTES > extent.end {
        return Err(cut(flow, Reason::Truncated));
    }
    let header: &Icmp = packet.at(extent.offset).ok_or(Reason::Truncated)?;
    flow.icmp_type = header.kind;
    Ok(())
}
