//! A refused packet, as it is reported through the ring.
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{address::Address, flow::Flow, reason::Reason};

/// One record of the ring buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Event {
    /// When, in nanoseconds of the monotonic clock, to one tick of the kernel.
    pub at_ns: u64,
    /// Who sent it; zero if the frame was too broken to tell.
    pub source: Address,
    /// To whom.
    pub destination: Address,
    /// The interface it came in by.
    pub interface: u32,
    /// Bytes in the frame.
    pub length: u32,
    /// From which port, or zero.
    pub source_port: u16,
    /// To which port, or zero.
    pub destination_port: u16,
    /// The IP protocol.
    pub protocol: u8,
    /// TCP flags, or zero.
    pub tcp_flags: u8,
    /// The number of the [`Reason`].
    pub reason: u8,
    /// 1 if the stage observed and let it pass, 0 if it was dropped.
    pub observed: u8,
}

impl Event {
    /// The event of a flow refused for `reason`. Place and time are the caller's to fill in.
    #[must_use]
    #[inline(always)]
    pub const fn new(flow: &Flow, reason: Reason, observed: bool) -> Event {
        Event {
            at_ns: 0,
            source: flow.source,
            destination: flow.destination,
            interface: 0,
            length: flow.length,
            source_port: flow.source_port,
            destination_port: flow.destination_port,
            protocol: flow.protocol,
            tcp_flags: flow.tcp_flags,
            reason: reason as u8,
            observed: observed as u8,
        }
    }
}
