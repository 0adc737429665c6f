//! The SYN guard: when the pressure of new connections on a port asks for cookies.
use weir_wire::{
    Config, Extra, Flow, Mode, Stage,
    config::{FLAG_CHECK_ACKS, FLAG_GUARD_ALWAYS},
    port::{PortState, STATE_ACTIVE_UNTIL, STATE_PRESSURE},
};

use crate::{
    atomic,
    limits::{Charge, word},
    report, tables,
};

/// Whether the cookie program shall see the packet. SYNs are weighed on the way.
#[inline(always)]
pub fn wants_cookie(flow: &Flow, config: &Config, rule: u8, now_ns: u64) -> bool {
    let mode = config.mode(Stage::SynGuard);
    if matches!(mode, Mode::Off) || !(flow.is_syn() || flow.is_ack()) {
        return false;
    }
    let is_active = config.has(FLAG_GUARD_ALWAYS) || is_pressed(flow, config, rule, now_ns);
    let is_asked = flow.is_syn() || config.has(FLAG_CHECK_ACKS);
    is_active && is_asked && matches!(mode, Mode::Enforce) && crate::is_plain(flow)
}

#[inline(always)]
fn is_pressed(flow: &Flow, config: &Config, rule: u8, now_ns: u64) -> bool {
    let Some(state) = tables::port_state(rule) else { return false };
    let active_until = word(state, STATE_ACTIVE_UNTIL);
    let until_ns = atomic::load(active_until);
    let was_active = now_ns < until_ns;
    if !flow.is_syn() || !is_over(config, rule, state, was_active, now_ns) {
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
fn is_over(config: &Config, rule: u8, state: *mut PortState, was_active: bool, now_ns: u64) -> bool {
    let Some(units) = batch(rule, config.syn_batch_mask) else { return false };
    let limit = if was_active { &config.syn_below } else { &config.syn_above };
    !Charge { limit, word: word(state, STATE_PRESSURE), units }.is_admitted(now_ns)
}

/// Counts the SYN on this CPU; every so often, how many there were.
#[inline(always)]
fn batch(rule: u8, mask: u32) -> Option<u64> {
    let scratch = tables::scratch()?;
    // SAFETY: the pad belongs to this CPU, and these words are used here only.
    let syns = unsafe { (*scratch).syns.get_mut(usize::from(rule))? };
    *syns += 1;
    (*syns & u64::from(mask) == 0).then_some(u64::from(mask) + 1)
}
