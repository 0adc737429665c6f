//! The SYN guard: when the pressure of new connections on a port asks for cookies.
use weir_wire::{
    Extra, Mode, Stage,
    config::{FLAG_CHECK_ACKS, FLAG_GUARD_ALWAYS},
    port::{PortState, STATE_ACTIVE_UNTIL, STATE_PRESSURE},
};

use crate::{
    atomic,
    limits::{Charge, word},
    report::{self, Gate},
    tables::{self, Pad},
};

/// Whether the cookie program shall see the packet, be it only to count what it would do. SYNs are weighed on the way.
#[inline(always)]
pub fn wants_cookie(gate: &Gate, rule: u8) -> bool {
    let Gate { flow, config, .. } = gate;
    let mode = config.mode(Stage::SynGuard);
    if matches!(mode, Mode::Off) || !(flow.is_syn() || flow.is_ack()) {
        return false;
    }
    let is_active = config.has(FLAG_GUARD_ALWAYS) || is_pressed(gate, rule);
    let is_asked = flow.is_syn() || config.has(FLAG_CHECK_ACKS);
    is_active && is_asked && crate::is_plain(flow)
}

#[inline(always)]
fn is_pressed(gate: &Gate, rule: u8) -> bool {
    let Gate { flow, config, pad, .. } = gate;
    let Some(state) = tables::port_state(rule) else { return false };
    let active_until = word(state, STATE_ACTIVE_UNTIL);
    let (until_ns, now_ns) = (atomic::load(active_until), pad.now_ns());
    let was_active = now_ns < until_ns;
    if !flow.is_syn() || !is_over(gate, rule, state, was_active) {
        return was_active;
    }
    let quiet_ns = config.syn_quiet_ns;
    if !was_active {
        report::extra(Extra::GuardRaised);
    }
    // The word is read by every CPU for every SYN: it is written only when that changes something.
    if until_ns < now_ns + quiet_ns - (quiet_ns >> 3) {
        atomic::store(active_until, now_ns + quiet_ns);
    }
    true
}

/// Weighs a SYN. It takes less pressure to stay on than to go on.
#[inline(always)]
fn is_over(gate: &Gate, rule: u8, state: *mut PortState, was_active: bool) -> bool {
    let Gate { config, pad, .. } = gate;
    let Some(units) = batch(*pad, rule, config.syn_batch_mask) else { return false };
    let limit = if was_active { &config.syn_below } else { &config.syn_above };
    !Charge { limit, word: word(state, STATE_PRESSURE), units }.is_admitted(pad.now_ns())
}

/// Counts the SYN on this CPU; every so often, how many there were.
#[inline(always)]
fn batch(pad: Pad, rule: u8, mask: u32) -> Option<u64> {
    // SAFETY: the pad belongs to this CPU, and these words are used here only.
    let syns = unsafe { (*pad.start()).syns.get_mut(usize::from(rule))? };
    *syns += 1;
    (*syns & u64::from(mask) == 0).then_some(u64::from(mask) + 1)
}
