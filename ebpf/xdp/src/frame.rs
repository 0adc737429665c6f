//! The driver's buffer as a [`Packet`].
use aya_ebpf::{bindings::xdp_md, programs::XdpContext};
use weir_wire::Packet;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::wide;

/// The bytes of one frame.
#[derive(Clone, Copy)]
pub struct Frame {
    start: usize,
    end: usize,
    length: usize,
    ctx: *mut xdp_md,
}

impl Frame {
    #[inline(always)]
    pub fn new(ctx: &XdpContext) -> Frame {
        let (start, end) = (ctx.data(), ctx.data_end());
        // Were it known to be the difference, the compiler would leave out comparisons with `end` that follow from
        // comparisons with the length; the verifier cannot follow it there.
        let length = wide::opaque(end - start);
        Frame { start, end, length, ctx: ctx.ctx }
    }

    /// The number of the interface it came in by.
    #[inline(always)]
    pub fn interface(&self) -> u32 {
        // SAFETY: the context outlives the program's run.
        unsafe { (*self.ctx).ingress_ifindex }
    }

    /// The bytes at this offset, to be written.
    #[inline(always)]
    pub fn at_mut<T: FromBytes + Unaligned>(&mut self, offset: usize) -> Option<&mut T> {
        let first = wide::opaque(self.start + offset);
        if first + size_of::<T>() > self.end {
            return None;
        }
        // SAFETY: as for `at`, and the frame is borrowed whole while a part of it is written.
        Some(unsafe { &mut *(first as *mut T) })
    }
}

impl Packet for Frame {
    #[inline(always)]
    fn length(&self) -> usize {
        self.length
    }

    // The address is made opaque, so that the one compared is the one read: the verifier does not see that two sums of
    // the same parts are equal.
    #[inline(always)]
    fn at<T: FromBytes + Unaligned + Immutable + KnownLayout>(&self, offset: usize) -> Option<&T> {
        let first = wide::opaque(self.start + offset);
        if first + size_of::<T>() > self.end {
            return None;
        }
        // SAFETY: `first..first + size_of::<T>()` lies within the frame, as compared above and as the verifier checks
        // again; T takes any bytes at any alignment, and nothing writes the frame while it is being judged.
        Some(unsafe { &*(first as *const T) })
    }

    #[inline(always)]
    fn be16(bytes: &[u8; 2]) -> u16 {
        u16::from_be(wide::load16(bytes) as u16)
    }

    #[inline(always)]
    fn be32(bytes: &[u8; 4]) -> u32 {
        u32::from_be(wide::load32(bytes) as u32)
    }

    #[inline(always)]
    fn be64(bytes: &[u8; 8]) -> u64 {
        u64::from_be(wide::load64(bytes))
    }
}
