//! Counting verdicts and reporting refusals.
use weir_wire::{
    Config, Event, Extra, Flow, Mode, Pass, Reason, Rules,
    counter::{self, Count, Counts},
};

use crate::{
    frame::Frame,
    tables::{self, Pad},
};

/// How long a budget of events lasts.
const WINDOW_NS: u64 = 1_000_000_000;

/// Asks each stage's mode whether its refusal stands.
pub struct Gate<'a> {
    pub frame: &'a Frame,
    pub flow: &'a Flow,
    pub config: &'a Config,
    pub pad: Pad,
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
    if let Some(counts) = tables::counts() {
        add(counts, pass.slot(), flow.length);
    }
}

/// Counts something besides a verdict.
#[inline(always)]
pub fn extra(extra: Extra) {
    if let Some(counts) = tables::counts() {
        add(counts, extra.slot(), 0);
    }
}

/// Counts and reports a packet that is dropped.
#[inline(always)]
pub fn dropped(frame: &Frame, rules: Option<&Rules>, pad: Pad, reason: Reason) {
    let Some(counts) = tables::counts() else { return };
    add(counts, counter::dropped(reason), pad.flow().length);
    let Some(rules) = rules else { return };
    if take_budget(pad, rules.config.events_per_second_max) {
        report(frame, pad, reason as u32);
    } else {
        add(counts, Extra::EventSuppressed.slot(), 0);
    }
}

/// Counts and reports a packet that would have been dropped. Not inlined: every stage may call it.
#[inline(never)]
fn observed(frame: &Frame, flow: &Flow, reason: Reason, config: &Config) {
    let (Some(counts), Some(pad)) = (tables::counts(), Pad::find()) else { return };
    add(counts, counter::observed(reason), flow.length);
    if take_budget(pad, config.events_per_second_max) {
        report(frame, pad, reason as u32 | OBSERVED);
    } else {
        add(counts, Extra::EventSuppressed.slot(), 0);
    }
}

/// Set beside the number of a reason if its stage only observes.
const OBSERVED: u32 = 256;

#[inline(always)]
fn add(counts: &mut Counts, slot: u32, bytes: u32) {
    if let Some(Count { packets, bytes: total }) = counts.get_mut(slot as usize) {
        *packets += 1;
        *total += u64::from(bytes);
    }
}

/// Whether this CPU may report one more in this second. Asked before an event is made, which nearly none is in a flood.
#[inline(always)]
fn take_budget(pad: Pad, per_second_max: u32) -> bool {
    let now_ns = pad.now_ns();
    // SAFETY: the pad belongs to this CPU, and these two words are used here only.
    let (window_ns, reported) = unsafe { (&mut (*pad.start()).window_ns, &mut (*pad.start()).reported) };
    if now_ns.wrapping_sub(*window_ns) >= WINDOW_NS {
        *window_ns = now_ns;
        *reported = 0;
    }
    let is_within = *reported < u64::from(per_second_max);
    *reported += is_within as u64;
    is_within
}

/// Sends an event.
#[inline(always)]
fn report(frame: &Frame, pad: Pad, reason: u32) {
    let flow = pad.flow();
    let event = Event {
        at_ns: pad.now_ns(),
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
