//! Port policy: one word says what becomes of TCP and UDP to a port, and which shared budget it draws on.
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::limit::Limit;

/// The number of [`PortRule`]s; rule 0 belongs to ports without one and never limits.
pub const PORT_RULES: usize = 64;

/// The number of ports.
pub const PORTS: usize = 1 << 16;

/// What becomes of a packet to a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Action {
    /// Not ours: passes untouched.
    #[default]
    Pass = 0,
    /// Closed: dropped.
    Drop = 1,
    /// Ours: guarded and limited.
    Protect = 2,
}

/// The policy of one port: an action and a rule for TCP in the low byte, for UDP in the high byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct PortWord(pub u16);

/// The half of a [`PortWord`] that speaks of one protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortPolicy {
    /// What becomes of the packet.
    pub action: Action,
    /// Which of the rules it counts against, below [`PORT_RULES`].
    pub rule: u8,
}

impl PortPolicy {
    #[inline(always)]
    const fn from_byte(byte: u8) -> PortPolicy {
        let action = match byte & 3 {
            1 => Action::Drop,
            2 => Action::Protect,
            _ => Action::Pass,
        };
        PortPolicy { action, rule: byte >> 2 }
    }

    const fn byte(self) -> u8 {
        (self.rule << 2) | self.action as u8
    }
}

impl PortWord {
    /// The word of a port.
    #[must_use]
    pub const fn new(tcp: PortPolicy, udp: PortPolicy) -> PortWord {
        PortWord(u16::from_le_bytes([tcp.byte(), udp.byte()]))
    }

    /// What becomes of TCP.
    #[must_use]
    #[inline(always)]
    pub const fn tcp(self) -> PortPolicy {
        PortPolicy::from_byte(self.0.to_le_bytes()[0])
    }

    /// What becomes of UDP.
    #[must_use]
    #[inline(always)]
    pub const fn udp(self) -> PortPolicy {
        PortPolicy::from_byte(self.0.to_le_bytes()[1])
    }
}

/// What a protected port takes in total, from all sources together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct PortRule {
    /// Packets.
    pub packets: Limit,
    /// Bytes.
    pub bytes: Limit,
    /// New connections.
    pub connections: Limit,
}

/// The live state of a rule: one cache line, whose words are named below.
pub type PortState = [u64; 8];

/// The arrival word of [`PortRule::packets`].
pub const STATE_PACKETS: usize = 0;
/// The arrival word of [`PortRule::bytes`].
pub const STATE_BYTES: usize = 1;
/// The arrival word of [`PortRule::connections`].
pub const STATE_CONNECTIONS: usize = 2;
/// The arrival word of the SYN pressure.
pub const STATE_PRESSURE: usize = 3;
/// Until when, in nanoseconds of the monotonic clock, the SYN guard answers for the listener.
pub const STATE_ACTIVE_UNTIL: usize = 4;

#[cfg(test)]
mod tests {
    use super::{Action, PortPolicy, PortWord};

    #[test]
    fn both_halves_survive() {
        for action in [Action::Pass, Action::Drop, Action::Protect] {
            for rule in [0, 1, 63] {
                let (tcp, udp) =
                    (PortPolicy { action, rule }, PortPolicy { action: Action::Drop, rule: 63 - rule });
                let word = PortWord::new(tcp, udp);
                assert_eq!((word.tcp(), word.udp()), (tcp, udp));
            }
        }
    }
}
