//! The corpora of the fuzz targets, replayed: as they are, and torn and patched by a fixed seed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on says where")]

use std::fs;
use std::path::Path;

#[path = "corpus/chunks.rs"]
mod chunks;
#[path = "corpus/h2.rs"]
mod h2;
#[path = "corpus/heads.rs"]
mod heads;

/// How often each file is changed and read.
const ROUNDS: usize = 300;
/// Bytes that mean something to HTTP.
const PIECES: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b":",
    b";",
    b"\"",
    b"\\",
    b"=",
    b"\0",
    b"\x7f",
    b"\xff",
    b"0",
    b"5",
    b"ffffffffffffffff",
    b"Host: a\r\n",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"HTTP/2.0",
    b"/../",
    b"%2f",
    b"%00",
    b"http://a/",
    b"#",
    b"?",
    b"*",
    b"Connection: x\r\n",
];

/// A sequence that is the same in every run (xorshift, Marsaglia 2003).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }

    /// The same bytes with a piece cut out, or put in.
    fn change(&mut self, bytes: &[u8]) -> Vec<u8> {
        let at = self.below(bytes.len() + 1);
        let end = (at + self.below(6)).min(bytes.len());
        let piece = PIECES[self.below(PIECES.len())];
        match self.below(3) {
            0 => [&bytes[..at], &bytes[end..]].concat(),
            1 => [&bytes[..at], piece, &bytes[at..]].concat(),
            _ => [&bytes[..at], piece, &bytes[end..]].concat(),
        }
    }
}

fn replay(corpus: &str, holds: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(corpus);
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 8, "only {} files", files.len());
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for path in files {
        let bytes = fs::read(path).unwrap();
        holds(&bytes);
        for _ in 0..ROUNDS {
            let once = dice.change(&bytes);
            holds(&once);
            holds(&dice.change(&once));
        }
    }
}

#[test]
fn heads_that_are_accepted_are_forwarded_with_one_meaning() {
    replay("heads", heads::heads);
}

#[test]
fn chunked_bodies_mean_the_same_in_any_pieces() {
    replay("chunks", chunks::chunks);
}

#[test]
fn what_a_target_says_in_http2_is_read_to_its_end() {
    replay("h2", h2::h2);
}
