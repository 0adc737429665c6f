//! Rate limits per source, per prefix and per port.
use weir_wire::{
    Config, Extra, Flow, Limit, Mode, Reason, Rules, Stage,
    limit::{self, CLASSES, Cell, Class},
    port::{STATE_BYTES, STATE_CONNECTIONS, STATE_PACKETS},
    table,
};

use crate::{atomic, report, tables};

/// How often a limit competes for its word before it lets the packet pass.
const TRIES_MAX: u32 = 4;

/// Charges the packet to its source, its prefix and its port.
#[inline(always)]
pub fn check(flow: &Flow, rules: &Rules, rule: u8, now_ns: u64) -> Result<(), Reason> {
    let config = &rules.config;
    if matches!(config.mode(Stage::Limit), Mode::Off) {
        return Ok(());
    }
    source(flow, config, now_ns)?;
    prefix(flow, config, now_ns)?;
    port(flow, rules, rule, now_ns)
}

#[inline(always)]
fn source(flow: &Flow, config: &Config, now_ns: u64) -> Result<(), Reason> {
    const REASONS: Reasons = Reasons {
        packets: Reason::SourcePackets,
        bytes: Reason::SourceBytes,
        connections: Reason::SourceConnections,
        udp: Reason::SourceUdp,
        icmp: Reason::SourceIcmp,
    };
    let index = limit::cell(flow.source.key(config.source_mask_v6), config.salt, table::SOURCE_BITS);
    let Some(cell) = tables::source(index) else { return Ok(()) };
    charge_classes(flow, &config.source, cell, now_ns, &REASONS)
}

#[inline(always)]
fn prefix(flow: &Flow, config: &Config, now_ns: u64) -> Result<(), Reason> {
    const REASONS: Reasons = Reasons {
        packets: Reason::PrefixPackets,
        bytes: Reason::PrefixBytes,
        connections: Reason::PrefixConnections,
        udp: Reason::PrefixUdp,
        icmp: Reason::PrefixIcmp,
    };
    if !config.prefix.iter().any(Limit::is_on) {
        return Ok(());
    }
    let key = if flow.source.is_v4() {
        flow.source.low & config.prefix_mask_v4
    } else {
        flow.source.high & config.prefix_mask_v6
    };
    let Some(cell) = tables::prefix(limit::cell(key, config.salt, table::PREFIX_BITS)) else { return Ok(()) };
    charge_classes(flow, &config.prefix, cell, now_ns, &REASONS)
}

/// What a refusal in each class is called.
struct Reasons {
    packets: Reason,
    bytes: Reason,
    connections: Reason,
    udp: Reason,
    icmp: Reason,
}

/// Charges a cell for what the packet is, the most particular class first.
#[inline(always)]
fn charge_classes(
    flow: &Flow,
    limits: &[Limit; CLASSES],
    cell: *mut Cell,
    now_ns: u64,
    reasons: &Reasons,
) -> Result<(), Reason> {
    let one =
        |class: Class| Charge { limit: &limits[class as usize], word: word(cell, class as usize), units: 1 };
    if flow.is_syn() {
        one(Class::Connections).take(now_ns, reasons.connections)?;
    } else if flow.is_udp() {
        one(Class::Udp).take(now_ns, reasons.udp)?;
    } else if flow.is_icmp() {
        one(Class::Icmp).take(now_ns, reasons.icmp)?;
    }
    one(Class::Packets).take(now_ns, reasons.packets)?;
    Charge { units: u64::from(flow.length), ..one(Class::Bytes) }.take(now_ns, reasons.bytes)
}

/// Charges the port's totals, which rule 0 does not have.
#[inline(always)]
fn port(flow: &Flow, rules: &Rules, rule: u8, now_ns: u64) -> Result<(), Reason> {
    if rule == 0 {
        return Ok(());
    }
    let (Some(limits), Some(state)) = (rules.port_rules.get(usize::from(rule)), tables::port_state(rule))
    else {
        return Ok(());
    };
    if flow.is_syn() {
        Charge { limit: &limits.connections, word: word(state, STATE_CONNECTIONS), units: 1 }
            .take(now_ns, Reason::PortConnections)?;
    }
    Charge { limit: &limits.packets, word: word(state, STATE_PACKETS), units: 1 }
        .take(now_ns, Reason::PortPackets)?;
    Charge { limit: &limits.bytes, word: word(state, STATE_BYTES), units: u64::from(flow.length) }
        .take(now_ns, Reason::PortBytes)
}

/// One word of a cell. The index is a constant below eight.
#[inline(always)]
pub fn word(cell: *mut Cell, index: usize) -> *mut u64 {
    cell.cast::<u64>().wrapping_add(index & 7)
}

/// Something to be paid for.
pub struct Charge<'a> {
    pub limit: &'a Limit,
    pub word: *mut u64,
    pub units: u64,
}

impl Charge<'_> {
    #[inline(always)]
    fn take(&self, now_ns: u64, reason: Reason) -> Result<(), Reason> {
        if self.is_admitted(now_ns) { Ok(()) } else { Err(reason) }
    }

    /// Whether the limit admits it; if so, it is paid.
    #[inline(always)]
    pub fn is_admitted(&self, now_ns: u64) -> bool {
        if !self.limit.is_on() {
            return true;
        }
        let price_ns = self.limit.price_ns(self.units);
        for _ in 0..TRIES_MAX {
            let arrival_ns = atomic::load(self.word);
            let Some(next_ns) = self.limit.admit(arrival_ns, now_ns, price_ns) else { return false };
            if atomic::exchange(self.word, arrival_ns, next_ns) {
                return true;
            }
        }
        report::extra(Extra::LimitContended);
        true
    }
}
