//! Allow and deny lists as one immutable table: the same few memory reads for ten prefixes or a million.
//!
//! User space resolves the longest prefix beforehand, so an address has exactly one [`Mark`]. For IPv4 a bit per /20, or
//! per /22 of long lists, says whether any prefix is near at all; if so, a code of two bits per /24 answers, or says that the /24 is divided. Its
//! number among the divided ones is where its digest stands: a few single hosts, or where its 256 codes are. For IPv6
//! two bits per hashed /32 say whether any prefix is near; if so, the ranges of that neighbourhood are searched.
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
/// Words of the filter over IPv4 /22s. Over /20s a quarter of them are in use, which stay in a near cache; but with a
/// million entries most /20s have one, and nearly every packet would go on to the codes, which lie far away.
pub const V4_NEAR_WORDS: usize = 1 << 16;
/// Codes in a word; above them stands how many /24s are divided between the beginning of the stretch and the word.
const CODES: u64 = 24;
/// Words of two-bit codes, one for each /24.
pub const V4_WORDS: usize = (1 << 24) / 24 + 1;
/// Words in a stretch. The /24s of one are fewer than 2^16.
const STRETCH_BITS: u32 = 11;
/// Stretches of words.
pub const V4_STRETCHES: usize = ((V4_WORDS >> STRETCH_BITS) + 2) & !1;
/// Words of the filter over hashed IPv6 /32s.
pub const V6_WORDS: usize = 1 << 18;
/// Neighbourhoods of IPv6: the /20s of 2000::/3, with one more on either side.
pub const V6_ROOTS: usize = (1 << 17) + 2;
/// Steps that the search among the ranges of one neighbourhood may take.
const SEARCH_STEPS_MAX: u32 = 22;

/// Eight words read together: the digests of eight divided /24s, the 256 codes of one, or the first addresses of three
/// IPv6 ranges and, in the seventh word, their marks, two bits each.
pub type Line = [u64; 8];

/// The part of fixed size, which answers nearly every question alone.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Front {
    /// Which of the two tables of lines belongs to this front.
    pub deep: u32,
    /// Nonzero if a prefix is too short for the IPv6 filter, which then says nothing.
    pub v6_wide: u32,
    /// How many /24s are divided before each stretch.
    pub v4_stretches: [u32; V4_STRETCHES],
    /// How many bits of an address do not count for the filter: 12 or 10.
    pub v4_near_shift: u32,
    /// Zero.
    pub reserved: u32,
    /// A bit for every network of so many addresses that any prefix touches.
    pub v4_near: [u64; V4_NEAR_WORDS],
    /// The code of every /24.
    pub v4_codes: [u64; V4_WORDS],
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
    let (word_index, place) = near_v4_place(low, front.v4_near_shift);
    let near = front.v4_near.get(word_index);
    if near.is_some_and(|near| (near >> place) & 1 == 0) {
        return Mark::None;
    }
    let (word_index, place) = code_place((low >> 8) & 0xff_ffff);
    let Some(word) = front.v4_codes.get(word_index) else { return Mark::None };
    let code = (word >> place) & 3;
    if code != DIVIDED {
        return Mark::from_code(code);
    }
    let Some(before) = front.v4_stretches.get(word_index >> STRETCH_BITS) else { return Mark::None };
    let within = ones(divided(*word) & ((1 << place) - 1));
    find_divided(lines, before.wrapping_add((word >> (2 * CODES)) as u32).wrapping_add(within), low)
}

/// The word and the place in it where the bit of an IPv4 network stands.
#[inline(always)]
const fn near_v4_place(low: u64, shift: u32) -> (usize, u64) {
    let network = (low & 0xffff_ffff) >> (shift & 31);
    ((network >> 6) as usize & (V4_NEAR_WORDS - 1), network & 63)
}

/// The word and the place in it where the code of a /24 stands. The division is a multiplication.
#[inline(always)]
const fn code_place(block: u64) -> (usize, u64) {
    let word = ((block >> 3) * 0xaaaa_aaab) >> 33;
    (word as usize, (block - word * CODES) * 2)
}

/// The code of an address in the divided /24 with this number.
#[inline(always)]
fn find_divided(lines: &impl Lines, number: u32, low: u64) -> Mark {
    let Some(digests) = lines.line(number >> 3) else { return Mark::None };
    let Some(digest) = digests.get((number & 7) as usize) else { return Mark::None };
    if digest & IS_LINE == 0 {
        return if has_host(*digest, low & 255) { Mark::from_code(digest >> 56) } else { Mark::None };
    }
    #[expect(clippy::cast_possible_truncation, reason = "the number of the line is the lower half")]
    let number = *digest as u32;
    let Some(line) = lines.line(number) else { return Mark::None };
    let Some(codes) = line.get(((low >> 5) & 7) as usize) else { return Mark::None };
    Mark::from_code(codes >> ((low & 31) * 2))
}

/// The digest names a line; without it, it names up to seven hosts, one in each byte, and above them their mark.
const IS_LINE: u64 = 1 << 63;
/// A one in every byte of a host.
const EACH: u64 = 0x0001_0101_0101_0101;

/// Whether a digest names the host: whether a byte of the difference is zero.
#[inline(always)]
const fn has_host(digest: u64, host: u64) -> bool {
    let difference = (digest & (EACH * 255)) ^ (EACH * host);
    difference.wrapping_sub(EACH) & !difference & (EACH * 128) != 0
}

/// The lower bit of every code in the word that says divided.
#[inline(always)]
const fn divided(word: u64) -> u64 {
    word & (word >> 1) & 0x5555_5555_5555
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
    let (word_index, bits) = near_place(address.high);
    let Some(word) = front.v6_near.get(word_index) else { return Mark::None };
    if front.v6_wide == 0 && word & bits != bits {
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

/// The word and the two bits that stand for the /32 of an address.
#[inline(always)]
const fn near_place(high: u64) -> (usize, u64) {
    let hash = (high >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 34;
    ((hash >> 12 & 0x3_ffff) as usize, 1 << (hash & 63) | 1 << (hash >> 6 & 63))
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
