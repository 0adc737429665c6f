//! The client's TCP header, copied to where helpers may read all of it.
use core::hint::black_box;

use aya_ebpf::{EbpfContext, helpers::generated::bpf_xdp_load_bytes, programs::XdpContext};
use weir_wire::{Flow, Packet};

use super::place;
use crate::{frame::Frame, tables};

/// Bytes of the longest TCP header.
const HEADER_MAX_BYTES: u64 = 60;
/// Bytes of the shortest.
const HEADER_MIN_BYTES: u64 = 20;

/// A copied TCP header; beyond its length lies what an earlier one left.
pub struct Segment {
    pub bytes: &'static mut [u8; 72],
    pub length: u32,
    /// The client's first sequence number.
    pub sequence: u32,
}

impl Segment {
    #[inline(always)]
    pub fn copy(ctx: &XdpContext, frame: &Frame, flow: &Flow) -> Option<Segment> {
        let transport = place(flow.transport);
        let fixed: &[[u8; 4]; 5] = frame.at(transport)?;
        let sequence = Frame::be32(&fixed[1]);
        let length = u64::from(fixed[3][0] >> 4) * 4;
        // Two comparisons that the compiler may not merge: the verifier does not understand the merged one.
        let length = black_box(length);
        if length > HEADER_MAX_BYTES {
            return None;
        }
        let length = black_box(length);
        if length < HEADER_MIN_BYTES {
            return None;
        }
        let scratch = tables::scratch()?;
        // SAFETY: the pad belongs to this CPU and outlives the program's run; these bytes are used here only.
        let bytes = unsafe { &mut (*scratch).segment };
        // SAFETY: the context is this program's own, and `bytes` is longer than the longest header.
        let done = unsafe {
            bpf_xdp_load_bytes(
                ctx.as_ptr().cast(),
                transport as u32,
                bytes.as_mut_ptr().cast(),
                length as u32,
            )
        };
        (done == 0).then_some(Segment { bytes, length: length as u32, sequence })
    }
}
