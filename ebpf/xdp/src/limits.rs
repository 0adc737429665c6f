//! Rate limits per source, per prefix and per port.
use weir_wire::{
    Config, Extra, Flow, Limit, Mode, Reason, Rules, Stage,
    config::{FLAG_OBSERVE_PORT, FLAG_OBSERVE_PREFIX, FLAG_OBSERVE_SOURCE},
    limit::{self, CLASSES, Cell, Class},
    port::{PortState, STATE_BYTES, STATE_CONNECTIONS, STATE_PACKETS},
    table,
};

use crate::{
    atomic,
    report::{self, Gate},
    tables,
};

/// How often a limit competes for its word before it lets the packet pass.
const TRIES_MAX: u32 = 4;

/// Charges the packet to its source, its prefix and its port. What only observes is charged like the others.
#[inline(always)]
pub fn check(gate: &Gate, rules: &Rules, rule: u8) -> Result<(), Reason> {
    let Gate { flow, config, .. } = gate;
    if matches!(config.mode(Stage::Limit), Mode::Off) {
        return Ok(());
    }
    let now_ns = gate.pad.now_ns();
    let mode = |flag| config.mode_of_part(Stage::Limit, flag);
    gate.check(mode(FLAG_OBSERVE_SOURCE), source(flow, config, now_ns))?;
    gate.check(mode(FLAG_OBSERVE_PREFIX), prefix(flow, config, now_ns))?;
    gate.check(mode(FLAG_OBSERVE_PORT), port(flow, rules, rule, now_ns))
}

#[inline(always)]
fn source_number(flow: &Flow, config: &Config) -> u32 {
    limit::cell(flow.source.key(config.source_mask_v6), config.salt, table::SOURCE_BITS)
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
    let number = source_number(flow, config);
    charge_classes(flow, &config.source, |class| tables::source(class, number), now_ns, &REASONS)
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
    let number = limit::cell(key, config.salt, table::PREFIX_BITS);
    charge_classes(flow, &config.prefix, |class| tables::prefix(class, number), now_ns, &REASONS)
}

/// What a refusal in each class is called.
struct Reasons {
    packets: Reason,
    bytes: Reason,
    connections: Reason,
    udp: Reason,
    icmp: Reason,
}

/// Charges cells for what the packet is, the most particular class first.
#[inline(always)]
fn charge_classes(
    flow: &Flow,
    limits: &[Limit; CLASSES],
    cell: impl Fn(Class) -> Option<*mut Cell>,
    now_ns: u64,
    reasons: &Reasons,
) -> Result<(), Reason> {
    let charge = |class: Class, units: u64, reason: Reason| {
        let limit = &limits[class as usize];
        if !limit.is_on() {
            return Ok(());
        }
        let Some(word) = cell(class) else { return Ok(()) };
        Charge { limit, word, units }.take(now_ns, reason)
    };
    if flow.is_syn() {
        charge(Class::Connections, 1, reasons.connections)?;
    } else if flow.is_udp() {
        charge(Class::Udp, 1, reasons.udp)?;
    } else if flow.is_icmp() {
        charge(Class::Icmp, 1, reasons.icmp)?;
    }
    charge(Class::Packets, 1, reasons.packets)?;
    charge(Class::Bytes, u64::from(flow.length), reasons.bytes)
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

/// One word of a port's state. The index is a constant below eight.
#[inline(always)]
pub fn word(state: *mut PortState, index: usize) -> *mut u64 {
    state.cast::<u64>().wrapping_add(index & 7)
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
