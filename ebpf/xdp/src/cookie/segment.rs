//! The client's TCP header, where helpers may read all of it.
use core::{ffi::c_void, hint::black_box};

use aya_ebpf::{EbpfContext, helpers::generated::bpf_xdp_load_bytes, programs::XdpContext};
use weir_wire::{Config, Packet};

use super::{
    options::{self, Options},
    place,
};
use crate::{frame::Frame, tables::Pad};

/// Bytes of the longest TCP header.
const HEADER_MAX_BYTES: u64 = 60;
/// Bytes of the shortest.
const HEADER_MIN_BYTES: u64 = 20;

/// The TCP header of a SYN.
pub struct Segment {
    start: *mut c_void,
    pub length: u32,
    /// The client's first sequence number.
    pub sequence: u32,
    options: Options,
    is_copied: bool,
}

/// The header that Linux sends.
const LINUX: usize = 40;

impl Segment {
    /// Where it can be read by helpers.
    #[inline(always)]
    pub fn start<T>(&self) -> *mut T {
        self.start.cast()
    }

    /// The most frequent headers are read where they are: that of Linux, and those that are too short for a timestamp, as
    /// floods have them. Any other is copied to where its length may vary.
    #[inline(always)]
    pub fn read(ctx: &XdpContext, frame: &Frame, config: &Config, pad: Pad) -> Option<Segment> {
        let transport = place(pad.flow().transport);
        let fixed: &[[u8; 4]; 5] = frame.at(transport)?;
        let sequence = Frame::be32(&fixed[1]);
        let length = u64::from(fixed[3][0] >> 4) * 4;
        let mut segment = Segment {
            start: core::ptr::null_mut(),
            length: length as u32,
            sequence,
            options: options::NOTHING,
            is_copied: false,
        };
        let is_in_place = match length {
            20 => segment.point::<20>(frame, transport),
            24 => segment.point::<24>(frame, transport),
            28 => segment.point::<28>(frame, transport),
            _ => false,
        };
        if is_in_place {
            return Some(segment);
        }
        if length == LINUX as u64 {
            let bytes: &[u8; LINUX] = frame.at(transport)?;
            if segment.options.usual(bytes, config) && segment.point::<LINUX>(frame, transport) {
                return Some(segment);
            }
        }
        segment.copy(ctx, transport, pad).then_some(segment)
    }

    /// Points at a header of this length in the frame; false if it is not wholly there.
    #[inline(always)]
    fn point<const BYTES: usize>(&mut self, frame: &Frame, transport: usize) -> bool {
        let Some(bytes) = frame.at::<[u8; BYTES]>(transport) else { return false };
        self.start = bytes.as_ptr().cast_mut().cast();
        self.length = BYTES as u32;
        true
    }

    /// The options that the client offers.
    #[inline(always)]
    pub fn options(&self, config: &Config) -> Options {
        if self.is_copied { Options::of_copy(self.length, config) } else { self.options }
    }

    #[inline(always)]
    fn copy(&mut self, ctx: &XdpContext, transport: usize, pad: Pad) -> bool {
        // Two comparisons that the compiler may not merge: the verifier does not understand the merged one.
        let length = black_box(u64::from(self.length));
        if length > HEADER_MAX_BYTES {
            return false;
        }
        let length = black_box(length);
        if length < HEADER_MIN_BYTES {
            return false;
        }
        // SAFETY: the pad belongs to this CPU and outlives the program's run; these bytes are used here only. Beyond the
        // length lies what an earlier header left.
        let bytes = unsafe { &mut (*pad.start()).segment };
        self.start = bytes.as_mut_ptr().cast();
        self.length = length as u32;
        self.is_copied = true;
        // SAFETY: the context is this program's own, and `bytes` is longer than the longest header.
        let done = unsafe {
            bpf_xdp_load_bytes(
                ctx.as_ptr().cast(),
                transport as u32,
                bytes.as_mut_ptr().cast(),
                length as u32,
            )
        };
        done == 0
    }
}
