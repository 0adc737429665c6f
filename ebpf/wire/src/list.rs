//! Allow and deny lists as one immutable table: the same few memory reads for ten prefixes or a million.
//!
//! User space resolves the longest prefix beforehand, so an address has exactly one [`Mark`]. For IPv4 a code of two bits per /24
//! answers, or says that the /24 is divided; its number among the divided ones is where its 256 codes stand. For
//! IPv6 a bit per hashed /32 says whether any prefix is near at all; if so, the ranges of that neighbourhood are searched.
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::address::Address;

#[cfg(feature = "host")]
pub mod image;

/// What the lists say of an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Mark {
    /// No prefix contains it.
    #[default]
    None = 0,
    /// Allowed or trusted.
    Allow = 1,
    /// Denied.
    Deny = 2,
}

impl Mark {
    #[inline(always)]
    const fn from_code(code: u64) -> Mark {
        match code & 3 {
            1 => Mark::Allow,
            2 => Mark::Deny,
            _ => Mark::None,
        }
    }
}

/// The code of a divided /24.
const DIVIDED: u64 = 3;
/// Words of two-bit codes, 32 to a word, one for each /24.
pub const V4_WORDS: usize = 1 << 19;
/// Words of the filter over hashed IPv6 /32s.
pub const V6_WORDS: usize = 1 << 18;
/// Neighbourhoods of IPv6: the /20s of 2000::/3, with one more on either side.
pub const V6_ROOTS: usize = (1 << 17) + 2;
/// Steps that the search among the ranges of one neighbourhood may take.
const SEARCH_STEPS_MAX: u32 = 22;

/// Eight words read together: the 256 codes of a divided /24, or the first addresses of three IPv6 ranges and, in the
/// seventh word, their marks, two bits each.
pub type Line = [u64; 8];

/// The part of fixed size, which answers nearly every question alone.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Front {
    /// Which of the two tables of lines belongs to this front.
    pub deep: u32,
    /// Nonzero if a prefix is too short for the IPv6 filter, which then says nothing.
    pub v6_wide: u32,
    /// The code of every /24.
    pub v4_codes: [u64; V4_WORDS],
    /// How many /24s are divided before each word of codes.
    pub v4_ranks: [u32; V4_WORDS],
    /// The filter over IPv6 /32s.
    pub v6_near: [u64; V6_WORDS],
    /// Where the ranges of every neighbourhood stand.
    pub v6_roots: [Root; V6_ROOTS],
}

/// The ranges of one neighbourhood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Root {
    /// The first line.
    pub first: u32,
    /// The number of lines, times four, plus the mark of the whole neighbourhood if there are none.
    pub lines: u32,
}

/// Where lines are read from: a table in the kernel, a vector on the host.
pub trait Lines {
    /// The line with this number.
    fn line(&self, index: u32) -> Option<&Line>;
}

/// What the lists say of an address.
#[inline(always)]
pub fn find(front: &Front, lines: &impl Lines, address: Address) -> Mark {
    if address.is_v4() { find_v4(front, lines, address.low) } else { find_v6(front, lines, address) }
}

#[inline(always)]
fn find_v4(front: &Front, lines: &impl Lines, low: u64) -> Mark {
    let word_index = ((low >> 13) & 0x7_ffff) as usize;
    let place = ((low >> 8) & 31) * 2;
    let Some(word) = front.v4_codes.get(word_index) else { return Mark::None };
    let code = (word >> place) & 3;
    if code == DIVIDED { find_divided(front, lines, low) } else { Mark::from_code(code) }
}

/// The code of an address in a divided /24.
#[inline(always)]
fn find_divided(front: &Front, lines: &impl Lines, low: u64) -> Mark {
    let word_index = ((low >> 13) & 0x7_ffff) as usize;
    let place = ((low >> 8) & 31) * 2;
    let (Some(word), Some(rank)) = (front.v4_codes.get(word_index), front.v4_ranks.get(word_index)) else {
        return Mark::None;
    };
    let before = divided(*word) & ((1 << place) - 1);
    let Some(line) = lines.line(rank.wrapping_add(ones(before))) else { return Mark::None };
    let Some(codes) = line.get(((low >> 5) & 7) as usize) else { return Mark::None };
    Mark::from_code(codes >> ((low & 31) * 2))
}

/// The lower bit of every code in the word that says divided.
#[inline(always)]
const fn divided(word: u64) -> u64 {
    word & (word >> 1) & 0x5555_5555_5555_5555
}

/// The number of ones among the even bits; there is no instruction for it.
#[inline(always)]
const fn ones(even: u64) -> u32 {
    let fours = (even & 0x3333_3333_3333_3333) + ((even >> 2) & 0x3333_3333_3333_3333);
    let bytes = (fours + (fours >> 4)) & 0x0f0f_0f0f_0f0f_0f0f;
    (bytes.wrapping_mul(0x0101_0101_0101_0101) >> 56) as u32
}

#[inline(always)]
fn find_v6(front: &Front, lines: &impl Lines, address: Address) -> Mark {
    let hash = near_hash(address.high);
    let Some(word) = front.v6_near.get(hash >> 6) else { return Mark::None };
    if front.v6_wide == 0 && (word >> (hash & 63)) & 1 == 0 {
        return Mark::None;
    }
    let Some(root) = front.v6_roots.get(root_index(address.high)) else { return Mark::None };
    search(*root, lines, address)
}

/// The mark of the last range of the neighbourhood that begins at or before the address.
///
/// Within the loop nothing branches on the data, which a predictor could not guess and which would multiply the states
/// that the verifier has to follow.
#[inline(always)]
fn search(root: Root, lines: &impl Lines, address: Address) -> Mark {
    let (mut low, mut high) = (root.first, root.first.wrapping_add(root.lines >> 2));
    for _ in 0..SEARCH_STEPS_MAX {
        if low >= high {
            break;
        }
        let middle = low.wrapping_add(high.wrapping_sub(low) >> 1);
        let Some([first_high, first_low, ..]) = lines.line(middle) else { break };
        let is_before = is_before(address, *first_high, *first_low);
        let down = 0_u32.wrapping_sub(is_before);
        high = (middle & down) | (high & !down);
        low = (low & down) | (middle.wrapping_add(1) & !down);
    }
    if low == root.first {
        return Mark::from_code(u64::from(root.lines));
    }
    lines.line(low.wrapping_sub(1)).map_or(Mark::None, |line| line_mark(line, address))
}

/// The mark of the last range in the line that begins at or before the address, which the first one does.
#[inline(always)]
const fn line_mark(line: &Line, address: Address) -> Mark {
    let [_, _, high1, low1, high2, low2, marks, _] = *line;
    let later = is_before(address, high1, low1) + is_before(address, high2, low2);
    Mark::from_code(marks >> (4 - 2 * later))
}

/// One if the address lies before the other, else zero: the borrow of a subtraction of 128 bits.
#[inline(always)]
const fn is_before(address: Address, high: u64, low: u64) -> u32 {
    let borrow = borrow(address.low, low, 0);
    (self::borrow(address.high, high, borrow) & 1) as u32
}

/// The borrow of `left - right - before`.
#[inline(always)]
const fn borrow(left: u64, right: u64, before: u64) -> u64 {
    let difference = left.wrapping_sub(right).wrapping_sub(before);
    ((!left & right) | ((!left | right) & difference)) >> 63
}

/// Where the /32 of an address stands in the filter.
#[inline(always)]
const fn near_hash(high: u64) -> usize {
    ((high >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40 & 0xff_ffff) as usize
}

/// Which neighbourhood an address belongs to.
#[inline(always)]
const fn root_index(high: u64) -> usize {
    let twenty = high >> 44;
    if twenty < 0x2_0000 {
        0
    } else if twenty >= 0x4_0000 {
        V6_ROOTS - 1
    } else {
        (twenty & 0x1_ffff) as usize + 1
    }
}

#[cfg(feature = "host")]
#[cfg(test)]
mod tests;
