//! Bounded reads: the one door through which the parser looks at a frame.
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// A frame. The kernel implements it over the driver's buffer, the host over a slice.
pub trait Packet {
    /// Bytes in the frame.
    fn length(&self) -> usize;

    /// The header at this offset, if it lies wholly within the frame.
    fn at<T: FromBytes + Unaligned + Immutable + KnownLayout>(&self, offset: usize) -> Option<&T>;

    /// Sixteen bits in network order. The kernel overrides these with single loads.
    #[inline(always)]
    fn be16(bytes: &[u8; 2]) -> u16 {
        u16::from_be_bytes(*bytes)
    }

    /// Thirty-two bits in network order.
    #[inline(always)]
    fn be32(bytes: &[u8; 4]) -> u32 {
        u32::from_be_bytes(*bytes)
    }

    /// Sixty-four bits in network order.
    #[inline(always)]
    fn be64(bytes: &[u8; 8]) -> u64 {
        u64::from_be_bytes(*bytes)
    }
}

impl Packet for [u8] {
    fn length(&self) -> usize {
        self.len()
    }

    fn at<T: FromBytes + Unaligned + Immutable + KnownLayout>(&self, offset: usize) -> Option<&T> {
        T::ref_from_prefix(self.get(offset..)?).ok().map(|(header, _)| header)
    }
}
