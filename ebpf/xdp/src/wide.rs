//! Loads and stores of several bytes at any alignment.
//!
//! The compiler takes this target to need alignment and would move single bytes; the kernel lets packets be read and
//! written at any address.
use core::arch::asm;

macro_rules! load {
    ($name:ident, $bytes:literal, $size:literal) => {
        #[doc = concat!("Reads ", $size, " as they are.")]
        #[inline(always)]
        pub fn $name(bytes: &[u8; $bytes]) -> u64 {
            let word: u64;
            // SAFETY: the reference makes all the bytes readable; the instruction takes any alignment. It must not be
            // called pure: the compiler would then move it above the comparison that makes it safe.
            unsafe {
                asm!(concat!("{0} = *(", $size, " *)({1} + 0)"), out(reg) word, in(reg) bytes, options(readonly, nostack));
            }
            word
        }
    };
}

macro_rules! store {
    ($name:ident, $bytes:literal, $size:literal) => {
        #[doc = concat!("Writes ", $size, " as they are.")]
        #[inline(always)]
        pub fn $name(bytes: &mut [u8; $bytes], word: u64) {
            // SAFETY: the reference makes all the bytes writable; the instruction takes any alignment.
            unsafe { asm!(concat!("*(", $size, " *)({0} + 0) = {1}"), in(reg) bytes, in(reg) word, options(nostack)) };
        }
    };
}

load!(load16, 2, "u16");
load!(load32, 4, "u32");
load!(load64, 8, "u64");
store!(store16, 2, "u16");
store!(store32, 4, "u32");

/// The same number, of which the compiler forgets where it came from.
#[inline(always)]
pub fn opaque(number: usize) -> usize {
    let mut number = number;
    // SAFETY: moves a register onto itself.
    unsafe { asm!("{0} = {0}", inout(reg) number, options(nomem, nostack, preserves_flags)) };
    number
}
