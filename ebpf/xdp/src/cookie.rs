//! The second program: answers SYNs with the kernel's own cookies, and checks the acknowledgements.
use aya_ebpf::programs::XdpContext;
use weir_wire::{Extra, Flow, Mode, Pass, Reason, Rules, Stage, config};

use crate::{
    Verdict,
    frame::Frame,
    report::{self, Gate},
    tables::Pad,
};

mod listener;
mod options;
mod reply;
mod segment;

use reply::Answer;
use segment::Segment;

/// The listener makes no cookie now.
const ENOENT: i64 = 2;

/// An offset of a plain packet: two tags and an IPv6 header end well before 128. The verifier wants to see that.
#[inline(always)]
const fn place(offset: u16) -> usize {
    (offset & 127) as usize
}

/// Judges a SYN or an acknowledgement to a port whose guard is on.
#[inline(always)]
pub fn judge(ctx: &XdpContext, frame: &Frame, rules: &Rules, pad: Pad) -> Result<Verdict, Reason> {
    let flow = pad.flow();
    if !crate::is_plain(flow) {
        return Ok(Verdict::Pass(Pass::SynToListener));
    }
    let gate = Gate { frame, flow, config: &rules.config, pad };
    match (flow.is_syn(), rules.config.mode(Stage::SynGuard)) {
        (true, Mode::Enforce) => syn(ctx, frame, rules, pad),
        (true, _) => Ok(observe(ctx, flow)),
        (false, mode) => acknowledgement(ctx, &gate, mode),
    }
}

/// Counts a SYN that would be answered. No cookie is made: to have made one changes what the listener does.
#[inline(always)]
fn observe(ctx: &XdpContext, flow: &Flow) -> Verdict {
    if listener::is_there(ctx, flow) {
        report::extra(Extra::CookieObserved);
    }
    Verdict::Pass(Pass::SynToListener)
}

#[inline(always)]
fn syn(ctx: &XdpContext, frame: &Frame, rules: &Rules, pad: Pad) -> Result<Verdict, Reason> {
    const TO_LISTENER: Result<Verdict, Reason> = Ok(Verdict::Pass(Pass::SynToListener));
    let flow = pad.flow();
    let Some(segment) = Segment::read(ctx, frame, &rules.config, pad) else { return TO_LISTENER };
    let made = listener::cookie(ctx, frame, &segment, pad);
    if made == -ENOENT && rules.config.has(config::FLAG_COOKIES_FORCED) {
        return Err(Reason::SynOverload);
    }
    if made < 0 {
        return TO_LISTENER;
    }
    // Above the cookie stands the MSS that it remembers.
    let cookie = made as u32;
    let options = segment.options(&rules.config);
    let answer =
        Answer { config: &rules.config, options, cookie, sequence: segment.sequence, now_ns: pad.now_ns() };
    Ok(reply::write(ctx, flow, &answer))
}

/// An acknowledgement that finds a connection belongs to it; one that finds a listener must carry a cookie.
#[inline(always)]
fn acknowledgement(ctx: &XdpContext, gate: &Gate, mode: Mode) -> Result<Verdict, Reason> {
    match listener::check(ctx, gate.frame, gate.flow) {
        None => Ok(Verdict::Pass(Pass::Clean)),
        Some(true) => Ok(Verdict::Pass(Pass::CookieValid)),
        Some(false) => gate.refuse(mode, Reason::CookieInvalid).map(|()| Verdict::Pass(Pass::Clean)),
    }
}
