//! The XDP program: every packet enters here, passes the stages in order, and gets one verdict.
#![no_std]
#![no_main]
#![allow(internal_features, reason = "compare-exchange has no other spelling on this target")]
#![feature(asm_experimental_arch, core_intrinsics)]

use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};
use weir_wire::{
    Config, Extra, Flow, Mode, Pass, Reason, Rules, Stage, anomaly, config, flow, parse, table::Trace,
};

mod atomic;
mod cookie;
mod frame;
mod guard;
mod limits;
mod lists;
mod report;
mod tables;
mod wide;

use frame::Frame;
use report::Gate;
use tables::Pad;

/// What becomes of a packet.
enum Verdict {
    Pass(Pass),
    /// The cookie program shall answer, or check the answer.
    Cookie,
    /// The frame has been rewritten into an answer.
    Answer,
}

/// Judges every packet.
#[xdp]
pub fn weir(ctx: XdpContext) -> u32 {
    let frame = Frame::new(&ctx);
    let Some(pad) = Pad::find() else { return xdp_action::XDP_ABORTED };
    let (flow, rules) = (pad.new_flow(), tables::rules());
    let verdict = match judge(&frame, flow, rules, pad) {
        Ok(Verdict::Cookie) => {
            tables::call_cookie(&ctx);
            report::extra(Extra::TailMissing);
            Ok(Verdict::Pass(Pass::SynToListener))
        }
        verdict => verdict,
    };
    conclude(&frame, rules, pad, verdict)
}

/// Answers SYNs with cookies and checks acknowledgements, for the first program.
#[xdp]
pub fn weir_cookie(ctx: XdpContext) -> u32 {
    let frame = Frame::new(&ctx);
    let Some(pad) = Pad::find() else { return xdp_action::XDP_ABORTED };
    let rules = tables::rules();
    let verdict = match rules {
        Some(rules) => cookie::judge(&ctx, &frame, rules, pad),
        None => Ok(Verdict::Pass(Pass::SynToListener)),
    };
    conclude(&frame, rules, pad, verdict)
}

/// Parses and writes down the result, for the comparison with the host's build of the parser.
#[xdp]
pub fn weir_parse(ctx: XdpContext) -> u32 {
    let frame = Frame::new(&ctx);
    let (Some(trace), Some(pad)) = (tables::trace(), Pad::find()) else {
        return xdp_action::XDP_ABORTED;
    };
    let flow = pad.new_flow();
    let (outcome, reason) = match parse::parse_into(&frame, flow) {
        Ok(false) => (0, 0),
        Ok(true) => (1, anomaly::check(flow).map_or_else(|reason| reason as u32, |()| 0)),
        Err(reason) => (2, reason as u32),
    };
    *trace = Trace { flow: *flow, outcome, reason };
    xdp_action::XDP_PASS
}

/// The one place where a verdict becomes an action, and is counted.
#[inline(always)]
fn conclude(frame: &Frame, rules: Option<&Rules>, pad: Pad, verdict: Result<Verdict, Reason>) -> u32 {
    let flow = pad.flow();
    match verdict {
        Ok(Verdict::Pass(pass)) => {
            report::passed(flow, pass);
            xdp_action::XDP_PASS
        }
        Ok(Verdict::Cookie) => xdp_action::XDP_PASS,
        Ok(Verdict::Answer) => {
            report::passed(flow, Pass::CookieSent);
            xdp_action::XDP_TX
        }
        Err(reason) => {
            report::dropped(frame, rules, pad, reason);
            xdp_action::XDP_DROP
        }
    }
}

/// Leads a packet through the stages.
#[inline(always)]
fn judge(frame: &Frame, flow: &mut Flow, rules: Option<&Rules>, pad: Pad) -> Result<Verdict, Reason> {
    let parsed = parse::parse_into(frame, flow);
    let Some(rules) = rules else { return Ok(Verdict::Pass(Pass::Unruled)) };
    let gate = Gate { frame, flow, config: &rules.config, pad };
    match parsed {
        Ok(true) => judge_flow(&gate, rules),
        Ok(false) => Ok(Verdict::Pass(Pass::NotIp)),
        Err(reason) => {
            gate.refuse(rules.config.mode(Stage::Malformed), reason).map(|()| Verdict::Pass(Pass::Tolerated))
        }
    }
}

/// The stages that need a parsed packet.
#[inline(always)]
fn judge_flow(gate: &Gate, rules: &Rules) -> Result<Verdict, Reason> {
    let Gate { flow, config, .. } = gate;
    gate.check(config.mode(Stage::Malformed), anomaly::check(flow))?;
    if flow.is_later_fragment() {
        gate.refuse(late_fragments(config), Reason::FragmentLate)?;
    }
    if flow.is_neighbor_discovery() {
        return Ok(Verdict::Pass(Pass::Neighbor));
    }
    let policy = lists::port(flow, rules);
    let is_protected = policy.is_some_and(lists::is_protected);
    let mark = lists::find(flow.source);
    if lists::is_allowed(mark, config) {
        return Ok(Verdict::Pass(Pass::Allowed));
    }
    gate.check(config.mode(Stage::Ban), lists::ban(gate))?;
    gate.check(config.mode(Stage::Deny), lists::deny(mark))?;
    let Some(policy) = policy else {
        return Ok(Verdict::Pass(Pass::Unprotected));
    };
    gate.check(config.mode(Stage::Port), lists::closed(policy))?;
    if !is_protected {
        return Ok(Verdict::Pass(Pass::Unprotected));
    }
    let is_guarded = guard::wants_cookie(gate, policy.rule);
    limits::check(gate, rules, policy.rule)?;
    Ok(if is_guarded { Verdict::Cookie } else { Verdict::Pass(Pass::Clean) })
}

/// What becomes of fragments whose first part is not here.
#[inline(always)]
fn late_fragments(config: &Config) -> Mode {
    if config.has(config::FLAG_DROP_LATE_FRAGMENTS) {
        Mode::Enforce
    } else if config.has(config::FLAG_OBSERVE_LATE_FRAGMENTS) {
        Mode::Observe
    } else {
        Mode::Off
    }
}

/// Whether the flow is one that a cookie program can rebuild: no options, no pieces.
#[inline(always)]
fn is_plain(flow: &Flow) -> bool {
    flow.marks & (flow::MARK_OPTIONS | flow::MARK_FIRST | flow::MARK_LATER) == 0
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    // No panic survives compilation: the loop makes the verifier refuse a program in which one did.
    loop {}
}

/// The kernel lends its SYN cookie helpers only to programs whose licence it knows to be compatible with its own.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
