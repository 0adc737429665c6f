//! Counting verdicts and reporting refusals.
use weir_wire::{
    Config, Event, Extra, Flow, Mode, Pass, Reason, Rules,
    counter::{self, Count},
};

use crate::{frame::Frame, tables};

/// How long a budget of events lasts.
const WINDOW_NS: u64 = 1_000_000_000;

/// Asks each stage's mode whether its refusal stands.
pub struct Gate<'a> {
    pub frame: &'a Frame,
    pub flow: &'a Flow,
    pub config: &'a Config,
}

impl Gate<'_> {
    /// Lets a stage's refusal stand in this mode of the stage; counts it if the stage observes. The mode comes from the
    /// caller, who knows the stage: to look it up by the reason would cost a call.
    #[inline(always)]
    pub fn check(&self, mode: Mode, result: Result<(), Reason>) -> Result<(), Reason> {
        match result {
            Ok(()) => Ok(()),
            Err(reason) => self.refuse(mode, reason),
        }
    }

    /// Refuses if the stage enforces; counts if it observes.
    #[inline(always)]
    pub fn refuse(&self, mode: Mode, reason: Reason) -> Result<(), Reason> {
        match mode {
            Mode::Off => Ok(()),
            Mode::Observe => {
                observed(self.frame, self.flow, reason, self.config);
                Ok(())
            }
            Mode::Enforce => Err(reason),
        }
    }
}

/// Counts a packet that passed.
#[inline(always)]
pub fn passed(flow: &Flow, pass: Pass) {
    add(pass.slot(), flow.length);
}

/// Counts something besides a verdict.
#[inline(always)]
pub fn extra(extra: Extra) {
    add(extra.slot(), 0);
}

/// Counts and reports a packet that is dropped.
#[inline(always)]
pub fn dropped(frame: &Frame, flow: &Flow, rules: Option<&Rules>, reason: Reason) {
    add(counter::dropped(reason), flow.length);
    if let Some(rules) = rules {
        report(frame, flow, reason as u32, rules.config.events_per_second_max);
    }
}

/// Counts and reports a packet that would have been dropped. Not inlined: every stage may call it.
#[inline(never)]
fn observed(frame: &Frame, flow: &Flow, reason: Reason, config: &Config) {
    add(counter::observed(reason), flow.length);
    report(frame, flow, reason as u32 | OBSERVED, config.events_per_second_max);
}

/// Set beside the number of a reason if its stage only observes.
const OBSERVED: u32 = 256;

#[inline(always)]
fn add(slot: u32, bytes: u32) {
    if let Some(count) = tables::count(slot) {
        // SAFETY: the counter belongs to this CPU, and nothing interrupts a program of the same kind on it.
        let Count { packets, bytes: total } = unsafe { &mut *count };
        *packets += 1;
        *total += u64::from(bytes);
    }
}

/// Sends an event if this CPU's budget allows; otherwise counts that it was left out.
#[inline(always)]
fn report(frame: &Frame, flow: &Flow, reason: u32, per_second_max: u32) {
    let now_ns = tables::now_ns();
    if !take_budget(now_ns, u64::from(per_second_max)) {
        return extra(Extra::EventSuppressed);
    }
    let event = Event {
        at_ns: now_ns,
        source: flow.source,
        destination: flow.destination,
        interface: frame.interface(),
        length: flow.length,
        source_port: flow.source_port,
        destination_port: flow.destination_port,
        protocol: flow.protocol,
        tcp_flags: flow.tcp_flags,
        reason: reason as u8,
        observed: (reason & OBSERVED != 0) as u8,
    };
    if !tables::send(event) {
        extra(Extra::EventLost);
    }
}

#[inline(always)]
fn take_budget(now_ns: u64, per_second_max: u64) -> bool {
    let Some(scratch) = tables::scratch() else { return false };
    // SAFETY: the pad belongs to this CPU, and these two words are used here only.
    let (window_ns, reported) = unsafe { (&mut (*scratch).window_ns, &mut (*scratch).reported) };
    if now_ns.wrapping_sub(*window_ns) >= WINDOW_NS {
        *window_ns = now_ns;
        *reported = 0;
    }
    let is_within = *reported < per_second_max;
    *reported += is_within as u64;
    is_within
}
