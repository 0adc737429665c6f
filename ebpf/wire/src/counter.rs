//! What the kernel counts: refusals by reason, passes by cause, and what happened besides.
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::reason::Reason;

/// One counter of one CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes of those packets, from the Ethernet header on.
    pub bytes: u64,
}

/// The number of counters on each CPU.
pub const COUNTERS: usize = 192;

/// All counters of one CPU.
pub type Counts = [Count; COUNTERS];

/// Where the counter of packets dropped for this reason stands.
#[must_use]
#[inline(always)]
pub const fn dropped(reason: Reason) -> u32 {
    reason as u32
}

/// Where the counter of packets that an observing stage would have dropped for this reason stands.
#[must_use]
#[inline(always)]
pub const fn observed(reason: Reason) -> u32 {
    64 + reason as u32
}

/// Declares an enum of counters from one table of names.
macro_rules! counters {
    ($(#[$outer:meta])* $enum:ident from $first:literal { $($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)* }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $enum { $($(#[$doc])* $name = $number,)* }

        impl $enum {
            /// All of them.
            pub const ALL: &'static [$enum] = &[$($enum::$name,)*];

            /// Where its counter stands.
            #[must_use]
            #[inline(always)]
            pub const fn slot(self) -> u32 {
                $first + self as u32
            }

            /// The name in snake_case, as it appears in metrics.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $($enum::$name => $text,)* }
            }
        }
    };
}

counters! {
    /// Why a packet passed.
    Pass from 128 {
        /// No plan has been loaded yet.
        Unruled = 0, "unruled";
        /// Neither IPv4 nor IPv6.
        NotIp = 1, "not_ip";
        /// IPv6 neighbour discovery from the same link.
        Neighbor = 2, "neighbor";
        /// The source is allowed or trusted.
        Allowed = 3, "allowed";
        /// A port or protocol that is not protected.
        Unprotected = 4, "unprotected";
        /// Every stage found it in order.
        Clean = 5, "clean";
        /// Malformed, and the stage that says so is off or observes.
        Tolerated = 6, "tolerated";
        /// A SYN that the listener answers itself.
        SynToListener = 7, "syn_to_listener";
        /// An acknowledgement with a valid cookie.
        CookieValid = 8, "cookie_valid";
        /// Not a packet: answered from the driver with a SYN cookie.
        CookieSent = 9, "cookie_sent";
    }
}

counters! {
    /// What happened besides a verdict.
    Extra from 160 {
        /// A drop not reported because of the rate cap.
        EventSuppressed = 0, "event_suppressed";
        /// A drop not reported because the ring was full.
        EventLost = 1, "event_lost";
        /// A limit that gave up after losing its word to other CPUs; the packet passed.
        LimitContended = 2, "limit_contended";
        /// The SYN guard of a port went on.
        GuardRaised = 3, "guard_raised";
        /// A cookie program that was called and was not there.
        TailMissing = 4, "tail_missing";
        /// A SYN that a guard which only observes would have answered with a cookie.
        CookieObserved = 5, "cookie_observed";
    }
}

#[cfg(test)]
mod tests {
    use super::{COUNTERS, Extra, Pass, dropped, observed};
    use crate::reason::{Reason, Stage};

    #[test]
    fn no_two_counters_share_a_slot() {
        let mut taken = [false; COUNTERS];
        let packet = Reason::ALL.iter().filter(|reason| reason.stage() != Stage::Request);
        let refusals = packet.flat_map(|reason| [dropped(*reason), observed(*reason)]);
        let passes = Pass::ALL.iter().map(|pass| pass.slot());
        let extras = Extra::ALL.iter().map(|extra| extra.slot());
        for slot in refusals.chain(passes).chain(extras) {
            let place = &mut taken[slot as usize];
            assert!(!*place, "slot {slot}");
            *place = true;
        }
    }
}
