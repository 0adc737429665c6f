//! The second program: answers SYNs with the kernel's own cookies, and checks the acknowledgements.
use aya_ebpf::programs::XdpContext;
use weir_wire::{Flow, Pass, Reason, Rules, config};

use crate::{Verdict, frame::Frame, tables};

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
pub fn judge(ctx: &XdpContext, frame: &Frame, flow: &Flow, rules: &Rules) -> Result<Verdict, Reason> {
    if !crate::is_plain(flow) {
        return Ok(Verdict::Pass(Pass::SynToListener));
    }
    if flow.is_syn() { syn(ctx, frame, flow, rules) } else { acknowledgement(ctx, frame, flow) }
}

#[inline(always)]
fn syn(ctx: &XdpContext, frame: &Frame, flow: &Flow, rules: &Rules) -> Result<Verdict, Reason> {
    const TO_LISTENER: Result<Verdict, Reason> = Ok(Verdict::Pass(Pass::SynToListener));
    let Some(segment) = Segment::read(ctx, frame, flow, &rules.config) else { return TO_LISTENER };
    let now_ns = tables::now_ns();
    let made = listener::cookie(ctx, frame, flow, &segment, now_ns);
    if made == -ENOENT && rules.config.has(config::FLAG_COOKIES_FORCED) {
        return Err(Reason::SynOverload);
    }
    if made < 0 {
        return TO_LISTENER;
    }
    // Above the cookie stands the MSS that it remembers.
    let cookie = made as u32;
    let options = segment.options(&rules.config);
    let answer = Answer { config: &rules.config, options, cookie, sequence: segment.sequence, now_ns };
    Ok(reply::write(ctx, flow, &answer))
}

/// An acknowledgement that finds a connection belongs to it; one that finds a listener must carry a cookie.
#[inline(always)]
fn acknowledgement(ctx: &XdpContext, frame: &Frame, flow: &Flow) -> Result<Verdict, Reason> {
    match listener::check(ctx, frame, flow) {
        None => Ok(Verdict::Pass(Pass::Clean)),
        Some(true) => Ok(Verdict::Pass(Pass::CookieValid)),
        Some(false) => Err(Reason::CookieInvalid),
    }
}
