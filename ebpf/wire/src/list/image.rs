//! Compiles prefixes into the tables that [`super::find`] reads. Only user space does this.
use alloc::{boxed::Box, vec::Vec};

use zerocopy::FromZeros;

use super::{
    CODES, Front, Line, Lines, Mark, Root, STRETCH_BITS, V6_ROOTS, code_place, divided, find, near_place,
    near_v4_place, root_index,
};
use crate::address::Address;

mod digest;

use digest::Digests;

/// Which list a prefix stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum List {
    /// Passes, unless a longer prefix is denied.
    Allow,
    /// Is dropped, unless a longer prefix is allowed.
    Deny,
    /// Passes, whatever else contains it or lies within it.
    Trusted,
}

/// Which list wins when the very same prefix stands on both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tie {
    /// The deny list.
    #[default]
    Deny,
    /// The allow list.
    Allow,
}

/// One prefix of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    first: u128,
    last: u128,
    list: List,
}

impl Entry {
    /// A prefix as written: `length` counts from the left of its own family. Bits past it are ignored. `None` if
    /// the family has no such length.
    #[must_use]
    pub fn new(network: core::net::IpAddr, length: u8, list: List) -> Option<Entry> {
        let (width, number) =
            if network.is_ipv4() { (32, Address::from(network)) } else { (128, Address::from(network)) };
        let host_bits = u32::from(u8::checked_sub(width, length)?);
        let hosts = 1_u128.checked_shl(host_bits).map_or(u128::MAX, |size| size - 1);
        let first = number.number() & !hosts;
        Some(Entry { first, last: first | hosts, list })
    }

    fn is_v4(&self) -> bool {
        Address::from_number(self.first).is_v4() && Address::from_number(self.last).is_v4()
    }
}

/// A stretch of addresses with one mark, reaching to where the next begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    first: u128,
    mark: Mark,
}

/// With more stretches of IPv4 the filter distinguishes smaller networks.
const NEAR_FINE_FROM: usize = 1 << 17;

/// The compiled lists.
pub struct Image {
    /// The part of fixed size.
    pub front: Box<Front>,
    /// The lines it points to.
    pub lines: Vec<Line>,
}

impl Image {
    /// Compiles the entries; their order does not matter. `None` if memory for the front cannot be had.
    #[must_use]
    pub fn compile(entries: Vec<Entry>, tie: Tie) -> Option<Image> {
        let mut image = Image { front: Front::new_box_zeroed().ok()?, lines: Vec::new() };
        // An IPv6 prefix like ::/0 contains the mapped addresses as numbers, but does not mean them.
        let (v4, v6): (Vec<_>, Vec<_>) = entries.into_iter().partition(Entry::is_v4);
        image.fill_v4(&ranges(v4, tie));
        image.front.v6_near_fill(&v6);
        image.fill_v6(&ranges(v6, tie));
        Some(image)
    }

    /// What the lists say of an address: the same code that the kernel runs.
    #[must_use]
    pub fn find(&self, address: Address) -> Mark {
        find(&self.front, self, address)
    }

    /// Writes the codes of every IPv4 range, and the digests of the divided /24s in the order of their addresses.
    fn fill_v4(&mut self, ranges: &[Range]) {
        const FIRST: u128 = 0xffff_0000_0000;
        const END: u128 = FIRST + (1 << 32);
        let mut digests = Digests::default();
        self.front.v4_near_shift = if ranges.len() > NEAR_FINE_FROM { 10 } else { 12 };
        for (index, range) in ranges.iter().enumerate() {
            let end = ranges.get(index + 1).map_or(END, |next| next.first.min(END));
            let (first, end) = (range.first.max(FIRST), end);
            if range.mark == Mark::None || first >= end {
                continue;
            }
            #[expect(clippy::cast_possible_truncation, reason = "both are offsets within 2^32")]
            let (first, end) = ((first - FIRST) as u64, (end - FIRST) as u64);
            self.front.paint(first, end, range.mark, &mut digests);
        }
        self.front.count_divided();
        self.lines = digests.into_lines();
    }

    /// Cuts the ranges at the borders of neighbourhoods and packs them three to a line.
    fn fill_v6(&mut self, ranges: &[Range]) {
        let mut rest = ranges;
        let mut mark = Mark::None;
        for index in 0..V6_ROOTS {
            let here =
                rest.partition_point(|range| root_index(Address::from_number(range.first).high) <= index);
            let (inside, after) = rest.split_at(here);
            let first = u32::try_from(self.lines.len()).unwrap_or(u32::MAX);
            let chunks = inside.chunks(3).map(pack);
            self.lines.extend(chunks);
            let lines = u32::try_from(inside.len().div_ceil(3)).unwrap_or(u32::MAX);
            if let Some(root) = self.front.v6_roots.get_mut(index) {
                *root = Root { first, lines: (lines << 2) | u32::from(mark as u8) };
            }
            mark = inside.last().map_or(mark, |range| range.mark);
            rest = after;
        }
    }
}

impl Lines for Image {
    fn line(&self, index: u32) -> Option<&Line> {
        self.lines.get(index as usize)
    }
}

impl Front {
    /// Paints the IPv4 addresses `first..end`.
    fn paint(&mut self, mut first: u64, end: u64, mark: Mark, digests: &mut Digests) {
        while first < end {
            let block = first >> 8;
            let until = end.min((block + 1) << 8);
            let is_whole = until - first == 256;
            self.set_code(block, if is_whole { mark as u64 } else { super::DIVIDED });
            if !is_whole {
                digests.paint(block, (first & 255)..((until - 1) & 255) + 1, mark);
            }
            first = until;
        }
    }

    fn set_code(&mut self, block: u64, code: u64) {
        let (word, place) = code_place(block);
        if let Some(word) = self.v4_codes.get_mut(word) {
            *word = (*word & !(3 << place)) | (code << place);
        }
        let (word, place) = near_v4_place(block << 8, self.v4_near_shift);
        if let Some(word) = self.v4_near.get_mut(word) {
            *word |= 1 << place;
        }
    }

    /// Writes before each word and each stretch how many /24s are divided.
    fn count_divided(&mut self) {
        let mut in_all = 0;
        let stretches = self.v4_codes.chunks_mut(1 << STRETCH_BITS).zip(self.v4_stretches.iter_mut());
        for (words, stretch) in stretches {
            *stretch = in_all;
            let mut within = 0;
            for word in words {
                let here = divided(*word).count_ones();
                *word |= u64::from(within) << (2 * CODES);
                within += here;
            }
            in_all += within;
        }
    }

    /// Marks the /32s that any IPv6 prefix touches; a prefix too short for that makes the filter pass everything.
    fn v6_near_fill(&mut self, entries: &[Entry]) {
        const TOUCHED_MAX: u128 = 1 << 16;
        for entry in entries {
            let (first, last) = (entry.first >> 96, entry.last >> 96);
            if last - first >= TOUCHED_MAX {
                self.v6_wide = 1;
                return;
            }
            for block in first..=last {
                let (word, bits) = near_place(Address::from_number(block << 96).high);
                if let Some(word) = self.v6_near.get_mut(word) {
                    *word |= bits;
                }
            }
        }
    }
}

/// A line of up to three ranges. Missing ones repeat the last, which changes no answer.
fn pack(ranges: &[Range]) -> Line {
    let mut line = [0; 8];
    let (slots, marks) = line.split_at_mut(6);
    for (place, slot) in slots.chunks_mut(2).enumerate() {
        let Some(range) = ranges.get(place).or(ranges.last()) else { continue };
        let first = Address::from_number(range.first);
        slot.copy_from_slice(&[first.high, first.low]);
        if let Some(word) = marks.first_mut() {
            *word |= (range.mark as u64) << (place * 2);
        }
    }
    line
}

/// Resolves nested prefixes into disjoint stretches by one sweep: prefixes either nest or are apart, so a stack
/// of those that contain the present address is enough, and its top is the longest.
fn ranges(mut entries: Vec<Entry>, tie: Tie) -> Vec<Range> {
    let loses = |entry: &Entry| match (entry.list, tie) {
        (List::Trusted, _) => 2,
        (List::Allow, Tie::Allow) | (List::Deny, Tie::Deny) => 1,
        (List::Allow, Tie::Deny) | (List::Deny, Tie::Allow) => 0,
    };
    entries.sort_unstable_by_key(|entry| (entry.first, core::cmp::Reverse(entry.last), loses(entry)));
    let mut sweep = Sweep { open: Vec::new(), ranges: Vec::with_capacity(entries.len()) };
    for entry in &entries {
        sweep.close_before(entry.first);
        sweep.enter(entry);
    }
    sweep.close_before(u128::MAX);
    sweep.ranges
}

/// The state of the sweep: the prefixes around the present address, and the stretches behind it.
struct Sweep {
    open: Vec<(u128, List)>,
    ranges: Vec<Range>,
}

impl Sweep {
    fn close_before(&mut self, first: u128) {
        while let Some((last, _)) = self.open.last().copied().filter(|(last, _)| *last < first) {
            self.open.pop();
            self.emit(last + 1);
        }
    }

    fn enter(&mut self, entry: &Entry) {
        let outer_is_trusted = self.open.last().is_some_and(|(_, list)| *list == List::Trusted);
        self.open.push((entry.last, if outer_is_trusted { List::Trusted } else { entry.list }));
        self.emit(entry.first);
    }

    /// From here on the mark is that of the innermost open prefix.
    fn emit(&mut self, first: u128) {
        let mark = match self.open.last() {
            None => Mark::None,
            Some((_, List::Deny)) => Mark::Deny,
            Some((_, List::Allow | List::Trusted)) => Mark::Allow,
        };
        if self.ranges.last().is_some_and(|range| range.first == first) {
            self.ranges.pop();
        }
        if self.ranges.last().map_or(Mark::None, |range| range.mark) != mark {
            self.ranges.push(Range { first, mark });
        }
    }
}
