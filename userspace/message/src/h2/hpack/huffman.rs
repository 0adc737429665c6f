//! The Huffman code of HPACK (RFC 7541, section 5.2 and appendix B), read four bits at a time.
//!
//! The code is canonical, so that the lengths of its words say all of it: words of one length count upwards in the order
//! of their symbols, and go on where the shorter ones ended.

/// The length of the word of each byte, in bits.
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6,
    6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7,
    8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7,
    15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24,
    23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23,
    23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26,
    26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20,
    21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27,
    27, 27, 26,
];
/// The word that ends a text, which no text may contain.
const END: u16 = 256;
const END_LENGTH: u8 = 30;
/// In the tree, what is not below this is a symbol.
const SYMBOLS: u16 = 256;
/// Padding is shorter than a byte (section 5.2).
const PADDING_MAX: usize = 7;

/// Where four bits lead.
#[derive(Clone, Copy)]
struct Step {
    node: u8,
    /// The byte that was completed on the way. The shortest word has five bits, so there is at most one.
    byte: Option<u8>,
    /// The word that ends a text was completed.
    ended: bool,
}

/// The inner nodes of the code's tree; a branch is the number of another, or a symbol.
const TREE: [[u16; 2]; 256] = tree();
static STEPS: [[Step; 16]; 256] = steps();
/// The nodes at which a text may end: those that only bits of padding lead to.
static IS_PADDING: [bool; 256] = padding();

/// Appends the text of a coded string; none if it is not one.
pub(super) fn decode(coded: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut node = 0;
    for byte in coded {
        for bits in [byte >> 4, byte & 15] {
            let step = STEPS.get(usize::from(node))?.get(usize::from(bits))?;
            if step.ended {
                return None;
            }
            out.extend(step.byte);
            node = step.node;
        }
    }
    IS_PADDING.get(usize::from(node)).copied()?.then_some(())
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses what is out of bounds")]
const fn tree() -> [[u16; 2]; 256] {
    let (mut nodes, mut used, mut word, mut length) = ([[0; 2]; 256], 1, 0_u32, 1);
    while length <= END_LENGTH {
        let mut symbol = 0;
        while symbol <= END {
            let own = if symbol == END { END_LENGTH } else { LENGTHS[symbol as usize] };
            if own == length {
                (nodes, used) = insert(nodes, used, (word, length), SYMBOLS + symbol);
                word += 1;
            }
            symbol += 1;
        }
        word <<= 1;
        length += 1;
    }
    nodes
}

/// Puts a word into the tree.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses what is out of bounds")]
const fn insert(
    mut nodes: [[u16; 2]; 256],
    mut used: u16,
    (word, length): (u32, u8),
    symbol: u16,
) -> ([[u16; 2]; 256], u16) {
    let (mut node, mut left) = (0, length - 1);
    while left > 0 {
        let bit = (word >> left & 1) as usize;
        if nodes[node][bit] == 0 {
            nodes[node][bit] = used;
            used += 1;
        }
        node = nodes[node][bit] as usize;
        left -= 1;
    }
    nodes[node][(word & 1) as usize] = symbol;
    (nodes, used)
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses what is out of bounds")]
const fn steps() -> [[Step; 16]; 256] {
    let mut steps = [[Step { node: 0, byte: None, ended: false }; 16]; 256];
    let mut node = 0;
    while node < 256 {
        let mut bits = 0;
        while bits < 16 {
            steps[node][bits] = step(node, bits);
            bits += 1;
        }
        node += 1;
    }
    steps
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses what is out of bounds")]
#[expect(clippy::cast_possible_truncation, reason = "symbols but for the last, and nodes, are below 256")]
const fn step(mut node: usize, bits: usize) -> Step {
    let (mut byte, mut ended, mut left) = (None, false, 4);
    while left > 0 {
        left -= 1;
        let next = TREE[node][bits >> left & 1];
        if next < SYMBOLS {
            node = next as usize;
            continue;
        }
        node = 0;
        if next - SYMBOLS == END {
            ended = true;
        } else {
            byte = Some((next - SYMBOLS) as u8);
        }
    }
    Step { node: node as u8, byte, ended }
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses what is out of bounds")]
const fn padding() -> [bool; 256] {
    let (mut is_padding, mut node, mut depth) = ([false; 256], 0, 0);
    while depth <= PADDING_MAX {
        is_padding[node] = true;
        node = TREE[node][1] as usize;
        depth += 1;
    }
    is_padding
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The word of a byte, found by walking the tree.
    fn word(byte: u8) -> (u32, u32) {
        fn find(node: usize, wanted: u16, word: u32, length: u32) -> Option<(u32, u32)> {
            (0..2_u32).find_map(|bit| match TREE[node][bit as usize] {
                0 => None,
                next if next == wanted => Some((word << 1 | bit, length + 1)),
                next if next >= SYMBOLS => None,
                next => find(usize::from(next), wanted, word << 1 | bit, length + 1),
            })
        }
        find(0, SYMBOLS + u16::from(byte), 0, 0).unwrap()
    }

    fn encode(text: &[u8]) -> Vec<u8> {
        let mut bits: Vec<bool> = Vec::new();
        for &byte in text {
            let (word, length) = word(byte);
            bits.extend((0..length).rev().map(|at| word >> at & 1 == 1));
        }
        bits.resize(bits.len().next_multiple_of(8), true);
        bits.chunks(8).map(|byte| byte.iter().fold(0, |sum, &bit| sum << 1 | u8::from(bit))).collect()
    }

    fn check(coded: &[u8], expect: Option<&[u8]>) {
        let mut out = Vec::new();
        assert_eq!(decode(coded, &mut out).map(|()| out.as_slice()), expect, "{coded:02x?}");
    }

    #[test]
    fn words_as_in_appendix_b() {
        for (byte, expect) in [
            (b'0', (0, 5)),
            (b'a', (3, 5)),
            (b'~', (0x1ffd, 13)),
            (b'\\', (0x7fff0, 19)),
            (0, (0x1ff8, 13)),
            (b'\n', (0x3fff_fffc, 30)),
            (22, (0x3fff_fffe, 30)),
            (255, (0x03ff_ffee, 26)),
        ] {
            assert_eq!(word(byte), expect, "{byte}");
        }
    }

    #[test]
    fn padding_is_the_beginning_of_the_last_word_and_shorter_than_a_byte() {
        check(b"", Some(b""));
        check(&[0x1f], Some(b"a"));
        check(&[0x1e], None);
        check(&[0x1f, 0xff], None);
        check(&[0xff, 0xff, 0xff, 0xff], None);
    }

    proptest! {
        #[test]
        fn every_text_is_read_as_it_was(text in prop::collection::vec(any::<u8>(), 0..100)) {
            check(&encode(&text), Some(&text));
        }

        #[test]
        fn nothing_that_is_coded_breaks_it(coded in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut out = Vec::new();
            if decode(&coded, &mut out).is_some() {
                prop_assert_eq!(&encode(&out), &coded, "one text, one coding");
            }
            prop_assert!(out.len() * 5 <= coded.len() * 8);
        }
    }
}
