//! Every table of the kernel: its name, its size, and what they all cost.
//!
//! Names are at most fifteen bytes, as the kernel keeps them; they are also the names of the pins.
use crate::{
    ban::{Ban, Filter},
    config::Rules,
    counter::{COUNTERS, Count},
    event::Event,
    flow::Flow,
    limit::{CLASSES, Cell},
    list::{Front, Line},
    port::{PORT_RULES, PortState},
};

/// Array of one map, itself an array of one [`Rules`]. An empty slot passes everything.
pub const RULES: &str = "RULES";
/// Array of one map, itself an array of one [`Front`].
pub const LISTS: &str = "LISTS";
/// Array of two maps of [`Line`]s, of any length; [`Front::deep`] says which is meant.
///
/// A swap fills the slot that the present front does not name, then sets the new front, then empties the other slot.
pub const LINES: &str = "LINES";
/// Hash from [`crate::Address::key`] to [`Ban`]; only user space inserts and removes.
pub const BANS: &str = "BANS";
/// Array of one [`Filter`], consulted before [`BANS`] if [`crate::config::FLAG_BAN_FILTER`] is set.
pub const BAN_FILTER: &str = "BAN_FILTER";
/// Array of [`Cell`]s: for each [`crate::limit::Class`], one for each hashed source.
pub const SOURCES: &str = "SOURCES";
/// Array of [`Cell`]s: for each [`crate::limit::Class`], one for each hashed prefix.
pub const PREFIXES: &str = "PREFIXES";
/// Array of [`PortState`]s, by rule.
pub const PORT_STATES: &str = "PORT_STATES";
/// Per-CPU array of one [`crate::counter::Counts`].
pub const COUNTS: &str = "COUNTS";
/// Ring buffer of [`Event`]s.
pub const EVENTS: &str = "EVENTS";
/// Program array; slot 0 is [`PROGRAM_COOKIE`]. An empty slot leaves the SYN to the listener.
pub const TAILS: &str = "TAILS";
/// Per-CPU array of one pad: the packet being judged, and what it leaves for the next. Private to the kernel side.
pub const SCRATCH: &str = "SCRATCH";
/// Array of one [`Trace`], written by [`PROGRAM_PARSE`].
pub const TRACE: &str = "TRACE";

/// The XDP program to attach.
pub const PROGRAM_MAIN: &str = "weir";
/// The XDP program that answers SYNs and checks acknowledgements; called by the first, never attached.
pub const PROGRAM_COOKIE: &str = "weir_cookie";
/// An XDP program that only parses, for the comparison of both builds of the parser.
pub const PROGRAM_PARSE: &str = "weir_parse";

/// The slot of the cookie program in [`TAILS`].
pub const TAIL_COOKIE: u32 = 0;

/// Bans held at once.
pub const BANS_MAX: u32 = 1 << 17;
/// Bits of a hashed source.
pub const SOURCE_BITS: u32 = 18;
/// Bits of a hashed prefix.
pub const PREFIX_BITS: u32 = 15;
/// Bytes of the event ring.
pub const EVENTS_BYTES: u32 = 1 << 20;
/// Bytes of the scratch pad of each CPU, at most.
pub const SCRATCH_MAX_BYTES: usize = 1024;

/// What the kernel may spend on all tables at their defaults.
pub const MEMORY_MAX_BYTES: usize = 64 << 20;

/// What the parser made of a packet, written out for comparison.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    zerocopy::FromBytes,
    zerocopy::IntoBytes,
    zerocopy::Immutable,
    zerocopy::KnownLayout,
)]
#[repr(C)]
pub struct Trace {
    /// The flow, or zeroes.
    pub flow: Flow,
    /// 0: not IP, 1: a flow, 2: refused.
    pub outcome: u32,
    /// The number of the reason if refused, else of the anomaly of the flow, else 0.
    pub reason: u32,
}

/// One line of the account of memory.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// The name of the table.
    pub name: &'static str,
    /// Bytes at the default size, on one CPU.
    pub bytes: usize,
    /// More bytes for each further CPU.
    pub bytes_per_cpu: usize,
}

/// What the kernel keeps beside key and value of each hash element, and for the buckets.
const HASH_OVERHEAD_BYTES: usize = 48 + 16;

/// What the tables cost at their defaults, with empty lists, and both fronts counted that exist while lists are swapped.
pub const COSTS: [Cost; 12] = [
    Cost { name: RULES, bytes: 2 * size_of::<Rules>(), bytes_per_cpu: 0 },
    Cost { name: LISTS, bytes: 2 * size_of::<Front>(), bytes_per_cpu: 0 },
    Cost { name: LINES, bytes: 2 * size_of::<Line>(), bytes_per_cpu: 0 },
    Cost {
        name: BANS,
        bytes: BANS_MAX as usize * (8 + size_of::<Ban>() + HASH_OVERHEAD_BYTES),
        bytes_per_cpu: 0,
    },
    Cost { name: BAN_FILTER, bytes: size_of::<Filter>(), bytes_per_cpu: 0 },
    Cost { name: SOURCES, bytes: (size_of::<Cell>() * CLASSES) << SOURCE_BITS, bytes_per_cpu: 0 },
    Cost { name: PREFIXES, bytes: (size_of::<Cell>() * CLASSES) << PREFIX_BITS, bytes_per_cpu: 0 },
    Cost { name: PORT_STATES, bytes: PORT_RULES * size_of::<PortState>(), bytes_per_cpu: 0 },
    Cost { name: COUNTS, bytes: 0, bytes_per_cpu: COUNTERS * size_of::<Count>() },
    Cost { name: EVENTS, bytes: EVENTS_BYTES as usize + size_of::<Event>(), bytes_per_cpu: 0 },
    Cost { name: SCRATCH, bytes: 0, bytes_per_cpu: SCRATCH_MAX_BYTES },
    Cost { name: TRACE, bytes: size_of::<Trace>(), bytes_per_cpu: 0 },
];

/// What all tables cost together at their defaults.
#[must_use]
pub fn memory_bytes(cpus: usize) -> usize {
    COSTS.iter().map(|cost| cost.bytes + cost.bytes_per_cpu * cpus).sum()
}

#[cfg(test)]
mod tests {
    use super::{COSTS, MEMORY_MAX_BYTES, memory_bytes};

    #[test]
    fn defaults_fit_into_the_budget_on_any_machine() {
        for cpus in [1, 2, 64, 256] {
            assert!(memory_bytes(cpus) <= MEMORY_MAX_BYTES, "{cpus} CPUs: {}", memory_bytes(cpus));
        }
    }

    #[test]
    fn names_are_short_enough_for_the_kernel() {
        assert!(COSTS.iter().all(|cost| cost.name.len() <= 15));
    }
}
