//! The rules the kernel obeys: one immutable record, swapped whole.
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    limit::{CLASSES, Limit},
    port::{PORT_RULES, PORTS, PortRule, PortWord},
    reason::{Mode, Stage},
};

/// Everything but the lists: read through one pointer, so a packet sees either the old rules or the new.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Rules {
    /// Modes, limits, switches.
    pub config: Config,
    /// Totals per protected port.
    pub port_rules: [PortRule; PORT_RULES],
    /// The policy of every port.
    pub ports: [PortWord; PORTS],
}

/// Modes, limits and switches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Config {
    /// The [`Mode`] of every [`Stage`], by its number.
    pub modes: [u8; 8],
    /// The bits of an IPv6 address's upper half that make a source.
    pub source_mask_v6: u64,
    /// The bits of an IPv6 address's upper half that make a prefix.
    pub prefix_mask_v6: u64,
    /// The bits of a v4-mapped address's lower half that make a prefix.
    pub prefix_mask_v4: u64,
    /// Two secret random words that spread keys over the cells.
    pub salt: [u64; 2],
    /// What one source may send, by [`crate::limit::Class`].
    pub source: [Limit; CLASSES],
    /// What one prefix may send, by [`crate::limit::Class`].
    pub prefix: [Limit; CLASSES],
    /// SYN pressure above which the guard of a port goes on.
    pub syn_above: Limit,
    /// SYN pressure that keeps it on; lower, so that it does not flap.
    pub syn_below: Limit,
    /// How long the guard stays on after the last pressure, in nanoseconds.
    pub syn_quiet_ns: u64,
    /// The `FLAG_` bits.
    pub flags: u32,
    /// Events reported per CPU and second; the rest is only counted.
    pub events_per_second_max: u32,
    /// The window a SYN cookie advertises.
    pub cookie_window: u16,
    /// The window scale a SYN cookie announces: exactly what the listener would pick.
    pub cookie_window_scale: u8,
    /// The TTL or hop limit of a SYN cookie.
    pub cookie_hop_limit: u8,
    /// The MSS a SYN cookie announces over IPv4; zero means 1460.
    pub cookie_mss_v4: u16,
    /// The MSS a SYN cookie announces over IPv6; zero means 1440.
    pub cookie_mss_v6: u16,
    /// SYNs are weighed against the pressure in batches of this many plus one on each CPU: a power of two less one,
    /// and small beside the tolerance of [`Config::syn_above`]. Zero weighs every one.
    pub syn_batch_mask: u32,
    /// Zero.
    pub reserved: u32,
}

/// Later fragments are refused.
pub const FLAG_DROP_LATE_FRAGMENTS: u32 = 1;
/// The SYN guard is always on, whatever the pressure.
pub const FLAG_GUARD_ALWAYS: u32 = 2;
/// `net.ipv4.tcp_timestamps` is 2: cookies may carry timestamp, window scale and SACK.
pub const FLAG_COOKIE_TIMESTAMPS: u32 = 4;
/// `net.ipv4.tcp_syncookies` is 2: a listener that makes no cookie is overloaded, so its SYN is refused.
pub const FLAG_COOKIES_FORCED: u32 = 8;
/// Acknowledgements are checked while the guard is on.
pub const FLAG_CHECK_ACKS: u32 = 16;
/// The filter before the table of bans is kept true: a source whose bit is clear is not banned.
pub const FLAG_BAN_FILTER: u32 = 32;
/// Limits per source only observe, whatever the stage does.
pub const FLAG_OBSERVE_SOURCE: u32 = 64;
/// Limits per prefix only observe, whatever the stage does.
pub const FLAG_OBSERVE_PREFIX: u32 = 128;
/// Totals per port only observe, whatever the stage does.
pub const FLAG_OBSERVE_PORT: u32 = 256;
/// Later fragments are counted as what would be refused.
pub const FLAG_OBSERVE_LATE_FRAGMENTS: u32 = 512;

/// The place of a stage among the modes, to be read or written. A pattern instead of an index leaves no bound to check.
macro_rules! place {
    ($modes:expr, $stage:expr) => {{
        let [malformed, allow, ban, deny, port, syn_guard, limit, request] = $modes;
        match $stage {
            Stage::Malformed => malformed,
            Stage::Allow => allow,
            Stage::Ban => ban,
            Stage::Deny => deny,
            Stage::Port => port,
            Stage::SynGuard => syn_guard,
            Stage::Limit => limit,
            Stage::Request => request,
        }
    }};
}

impl Config {
    /// The mode of a stage.
    #[must_use]
    #[inline(always)]
    pub const fn mode(&self, stage: Stage) -> Mode {
        Mode::from_number(place!(self.modes, stage))
    }

    /// The mode of a part of a stage that a `FLAG_OBSERVE_` bit may soften.
    #[must_use]
    #[inline(always)]
    pub const fn mode_of_part(&self, stage: Stage, flag: u32) -> Mode {
        match self.mode(stage) {
            Mode::Enforce if self.has(flag) => Mode::Observe,
            mode => mode,
        }
    }

    /// Sets the mode of a stage.
    pub const fn set_mode(&mut self, stage: Stage, mode: Mode) {
        *place!(&mut self.modes, stage) = mode as u8;
    }

    /// Whether a `FLAG_` bit is set.
    #[must_use]
    #[inline(always)]
    pub const fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}

#[cfg(test)]
mod tests {
    use super::Config;
    use crate::reason::{Mode, Stage};

    #[test]
    fn a_stage_keeps_its_own_mode() {
        for stage in Stage::ALL {
            let mut config = Config::default();
            config.set_mode(stage, Mode::Observe);
            for other in Stage::ALL {
                assert_eq!(config.mode(other), if other == stage { Mode::Observe } else { Mode::Off });
            }
            assert_eq!(config.modes[stage as usize], Mode::Observe as u8);
        }
    }
}
