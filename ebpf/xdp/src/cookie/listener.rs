//! The kernel's side of the bargain: who listens, which cookie it would make, and whether it made this one.
use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext,
    bindings::bpf_sock,
    helpers::generated::{
        bpf_sk_release, bpf_skc_lookup_tcp, bpf_tcp_check_syncookie, bpf_tcp_gen_syncookie,
        bpf_tcp_raw_gen_syncookie_ipv4, bpf_tcp_raw_gen_syncookie_ipv6,
    },
    programs::XdpContext,
};
use weir_wire::{Address, Flow, Packet};

use super::{place, segment::Segment};
use crate::{
    frame::Frame,
    tables::{self, Pad},
};

/// `TCP_LISTEN`.
const LISTEN: u32 = 10;
/// `BPF_F_CURRENT_NETNS`: look where the interface is.
const CURRENT_NETNS: u64 = u64::MAX;
const V4_BYTES: u32 = 20;
const V6_BYTES: u32 = 40;
const V4_TUPLE_BYTES: u32 = 12;
const V6_TUPLE_BYTES: u32 = 36;

/// The cookie that the listener of this SYN would make, or less than zero: the kernel's error number, or [`NOBODY`] if
/// it finds no listener, or a connection. A bare number, because of an enum the compiler would copy what was never set.
///
/// A listener that has made no cookie of late refuses all of them. So it is asked itself, which stamps it; and for a
/// moment afterwards the same cookie is made without looking it up.
#[inline(always)]
pub fn cookie(ctx: &XdpContext, frame: &Frame, segment: &Segment, pad: Pad) -> i64 {
    let (flow, now_ns) = (&*pad.flow(), pad.now_ns());
    let Some(header) = Header::of(frame, flow) else { return NOBODY };
    let known = known(flow, pad);
    if now_ns < known.until_ns && known.port == port(flow) && known.destination == flow.destination {
        return made_alike(&header, flow, segment);
    }
    let made = with_listener(ctx, flow, |listener| {
        // SAFETY: the socket is held until the helper returns; header and segment are as long as they are said to be.
        unsafe {
            bpf_tcp_gen_syncookie(
                listener.cast(),
                header.start,
                header.bytes,
                segment.start(),
                segment.length,
            )
        }
    })
    .unwrap_or(NOBODY);
    if made >= 0 {
        known.destination = flow.destination;
        known.port = port(flow);
        known.until_ns = now_ns + KNOWN_NS;
    }
    made
}

/// There is nobody to ask. No helper returns this: it is the number of a lack of privileges.
pub const NOBODY: i64 = -1;

/// How long a listener is taken to be as it was. One whose queue of accepted connections is full makes no cookies, and
/// that may go unnoticed for so long.
const KNOWN_NS: u64 = 20_000_000;

/// Where a listener is remembered.
#[inline(always)]
fn known(flow: &Flow, pad: Pad) -> &'static mut tables::Listener {
    let at = flow.destination.low.wrapping_add(port(flow)) as usize & (tables::LISTENERS - 1);
    // SAFETY: the pad belongs to this CPU, and this part of it is used here only.
    unsafe { &mut (*pad.start()).listeners[at] }
}

#[inline(always)]
fn port(flow: &Flow) -> u64 {
    u64::from(flow.destination_port)
}

/// The cookie by the kernel's secret alone.
#[inline(always)]
fn made_alike(header: &Header, flow: &Flow, segment: &Segment) -> i64 {
    let tcp = segment.start();
    // SAFETY: header and segment are as long as the helpers ask for.
    unsafe {
        if flow.is_v6() {
            bpf_tcp_raw_gen_syncookie_ipv6(header.start.cast(), tcp, segment.length)
        } else {
            bpf_tcp_raw_gen_syncookie_ipv4(header.start.cast(), tcp, segment.length)
        }
    }
}

/// Whether somebody listens where this SYN goes to.
#[inline(always)]
pub fn is_there(ctx: &XdpContext, flow: &Flow) -> bool {
    with_listener(ctx, flow, |_| ()).is_some()
}

/// Whether the acknowledgement carries a cookie that the listener made; `None` if it finds no listener, or a connection.
#[inline(always)]
pub fn check(ctx: &XdpContext, frame: &Frame, flow: &Flow) -> Option<bool> {
    let header = Header::of(frame, flow)?;
    let tcp: &[u8; 20] = frame.at(place(flow.transport))?;
    with_listener(ctx, flow, |listener| {
        // SAFETY: the socket is held until the helper returns; both headers lie within the frame.
        unsafe {
            bpf_tcp_check_syncookie(
                listener.cast(),
                header.start,
                header.bytes,
                tcp.as_ptr().cast_mut().cast(),
                20,
            )
        }
    })
    .map(|refused| refused == 0)
}

/// An IP header without options.
struct Header {
    start: *mut c_void,
    bytes: u32,
}

impl Header {
    #[inline(always)]
    fn of(frame: &Frame, flow: &Flow) -> Option<Header> {
        let network = place(flow.network);
        if flow.is_v6() {
            let header: &[u8; V6_BYTES as usize] = frame.at(network)?;
            Some(Header { start: header.as_ptr().cast_mut().cast(), bytes: V6_BYTES })
        } else {
            let header: &[u8; V4_BYTES as usize] = frame.at(network)?;
            Some(Header { start: header.as_ptr().cast_mut().cast(), bytes: V4_BYTES })
        }
    }
}

/// Finds the socket of this packet and shows it to `ask` if it listens.
#[inline(always)]
fn with_listener<T>(ctx: &XdpContext, flow: &Flow, ask: impl FnOnce(*mut bpf_sock) -> T) -> Option<T> {
    let (mut tuple, bytes) = tuple(flow);
    // SAFETY: the tuple is on the stack and as long as it is said to be.
    let socket =
        unsafe { bpf_skc_lookup_tcp(ctx.as_ptr(), tuple.as_mut_ptr().cast(), bytes, CURRENT_NETNS, 0) };
    if socket.is_null() {
        return None;
    }
    // SAFETY: the reference taken by the lookup keeps the socket until the release below.
    let answer = unsafe { ((*socket).state == LISTEN).then(|| ask(socket)) };
    // SAFETY: releases the reference taken above, once, on every path.
    unsafe { bpf_sk_release(socket.cast()) };
    answer
}

/// Both addresses and both ports in network order, as `struct bpf_sock_tuple` lays them out for either family. Written
/// as words, all of them: of a union the compiler would copy what was never set, which the verifier refuses.
#[inline(always)]
fn tuple(flow: &Flow) -> ([u32; 9], u32) {
    let ports = u32::from(flow.source_port.to_be()) | (u32::from(flow.destination_port.to_be()) << 16);
    let [s0, s1, s2, s3] = quarters(flow.source);
    let [d0, d1, d2, d3] = quarters(flow.destination);
    if flow.is_v6() {
        ([s0, s1, s2, s3, d0, d1, d2, d3, ports], V6_TUPLE_BYTES)
    } else {
        ([s3, d3, ports, 0, 0, 0, 0, 0, 0], V4_TUPLE_BYTES)
    }
}

/// An IPv6 address as the kernel keeps it; of a mapped one, the last quarter is the IPv4 address.
#[inline(always)]
fn quarters(address: Address) -> [u32; 4] {
    let Address { high, low } = address;
    [((high >> 32) as u32).to_be(), (high as u32).to_be(), ((low >> 32) as u32).to_be(), (low as u32).to_be()]
}
