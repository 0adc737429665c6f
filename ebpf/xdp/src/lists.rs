//! The stages that look something up: allow lists, bans, deny lists, ports.
use weir_wire::{
    Address, Ban, Config, Flow, Mark, Mode, Reason, Rules, Stage,
    ban::filter_place,
    config::FLAG_BAN_FILTER,
    list,
    port::{Action, PortPolicy},
};

use crate::{atomic, report::Gate, tables};

/// What the lists say of an address; nothing while there are none.
#[inline(always)]
pub fn find(address: Address) -> Mark {
    let Some(front) = tables::front() else { return Mark::None };
    list::find(front, &tables::Deep(front.deep), address)
}

/// Whether the source passes whatever follows.
#[inline(always)]
pub fn is_allowed(mark: Mark, config: &Config) -> bool {
    matches!(mark, Mark::Allow) && !matches!(config.mode(Stage::Allow), Mode::Off)
}

/// Refuses a banned source, and counts the hit on its ban.
#[inline(always)]
pub fn ban(gate: &Gate) -> Result<(), Reason> {
    let Gate { flow, config, pad, .. } = gate;
    if matches!(config.mode(Stage::Ban), Mode::Off) {
        return Ok(());
    }
    let key = flow.source.key(config.source_mask_v6);
    if config.has(FLAG_BAN_FILTER) && !may_be_banned(key) {
        return Ok(());
    }
    let Some(ban) = tables::ban(key) else { return Ok(()) };
    // SAFETY: the value stays mapped while the program runs; both words are only ever read and written whole.
    let (until_ns, hits) = unsafe { (&raw const (*ban).until_ns, &raw mut (*ban).hits) };
    if !(Ban { until_ns: atomic::load(until_ns), hits: 0 }).holds(pad.now_ns()) {
        return Ok(());
    }
    atomic::increment(hits);
    Err(Reason::Banned)
}

/// Whether the filter leaves it open.
#[inline(always)]
fn may_be_banned(key: u64) -> bool {
    let (word, bit) = filter_place(key);
    tables::ban_filter().and_then(|filter| filter.get(word)).is_none_or(|bits| bits & bit != 0)
}

/// Refuses a denied source.
#[inline(always)]
pub fn deny(mark: Mark) -> Result<(), Reason> {
    if matches!(mark, Mark::Deny) { Err(Reason::DenyList) } else { Ok(()) }
}

/// The policy that a packet falls under; none for protocols that are not judged by port or rate. ICMP and later
/// fragments have no port, and fall under the rule that never limits in total.
#[inline(always)]
pub fn port(flow: &Flow, rules: &Rules) -> Option<PortPolicy> {
    if flow.is_tcp() || flow.is_udp() {
        let word = rules.ports.get(usize::from(flow.destination_port))?;
        return Some(if flow.is_tcp() { word.tcp() } else { word.udp() });
    }
    let is_judged = flow.is_icmp() || flow.is_later_fragment();
    is_judged.then_some(PortPolicy { action: Action::Protect, rule: 0 })
}

/// Refuses what goes to a closed port.
#[inline(always)]
pub fn closed(policy: PortPolicy) -> Result<(), Reason> {
    if matches!(policy.action, Action::Drop) { Err(Reason::PortClosed) } else { Ok(()) }
}

/// Whether guard and limits apply.
#[inline(always)]
pub fn is_protected(policy: PortPolicy) -> bool {
    matches!(policy.action, Action::Protect)
}
