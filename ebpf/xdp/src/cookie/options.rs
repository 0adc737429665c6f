//! What a client offers in its SYN, as far as a cookie can remember it.
use weir_wire::{Config, Packet, config::FLAG_COOKIE_TIMESTAMPS};

use super::segment::Segment;
use crate::frame::Frame;

/// Where options begin, and where the longest header ends.
const FIRST: usize = 20;
const END: usize = 60;

const KIND_END: u8 = 0;
const KIND_NOTHING: u8 = 1;
const KIND_WINDOW_SCALE: u8 = 3;
const KIND_SACK: u8 = 4;
const KIND_TIMESTAMP: u8 = 8;

/// The options that matter; all absent unless the client sent a timestamp, which is what remembers the rest.
#[derive(Clone, Copy, Default)]
pub struct Options {
    /// The client's timestamp.
    pub timestamp: Option<u32>,
    /// The client's window scale.
    pub window_scale: Option<u8>,
    /// Whether the client takes selective acknowledgements.
    pub sack: bool,
}

impl Options {
    #[inline(always)]
    pub fn parse(segment: &Segment, config: &Config) -> Options {
        if !config.has(FLAG_COOKIE_TIMESTAMPS) {
            return Options::default();
        }
        match Options::usual(segment) {
            Some(options) => options,
            None => scan(segment.bytes, segment.length),
        }
    }

    /// The timestamp of the answer, whose low bits remember the options until the client echoes it.
    ///
    /// The layout is the kernel's (`cookie_init_timestamp`): four bits of window scale, all ones for none; one for
    /// SACK; above them the clock in milliseconds, never ahead of now.
    #[inline(always)]
    pub fn remember(&self, now_ns: u64) -> u32 {
        let now_ms = (now_ns / 1_000_000) as u32;
        let scale = self.window_scale.map_or(0xf, |scale| u32::from(scale & 0xf));
        let stamp = (now_ms & !0x3f) | scale | if self.sack { 0x10 } else { 0 };
        if stamp > now_ms { stamp.wrapping_sub(0x40) } else { stamp }
    }

    /// The order in which Linux writes them: MSS, SACK, timestamp, nothing, window scale.
    #[inline(always)]
    fn usual(segment: &Segment) -> Option<Options> {
        if segment.length != 40 {
            return None;
        }
        let (words, _) = segment.bytes.as_chunks::<4>();
        let [.., mss, sack_and_timestamp, timestamp, _, scale, _, _, _, _, _, _, _, _] = words else {
            return None;
        };
        let scale = Frame::be32(scale);
        let is_usual = Frame::be32(mss) >> 16 == 0x0204
            && Frame::be32(sack_and_timestamp) == 0x0402_080a
            && scale >> 8 == 0x01_0303;
        let options =
            Options { timestamp: Some(Frame::be32(timestamp)), window_scale: Some(scale as u8), sack: true };
        is_usual.then_some(options)
    }
}

/// Walks over options in any order. The index is the loop's own, so that the verifier knows it at every step; what an
/// option occupies is skipped by counting.
#[inline(never)]
fn scan(bytes: &[u8; 72], length: u32) -> Options {
    let mut options = Options::default();
    let mut skip = 0_u32;
    for at in FIRST..END {
        if at as u32 >= length {
            break;
        }
        if skip > 0 {
            skip -= 1;
            continue;
        }
        let (kind, size) = (bytes[at], bytes[at + 1]);
        if kind == KIND_END {
            break;
        }
        if kind == KIND_NOTHING {
            continue;
        }
        if size < 2 || at as u32 + u32::from(size) > length {
            break;
        }
        match (kind, size) {
            (KIND_WINDOW_SCALE, 3) => options.window_scale = Some(bytes[at + 2]),
            (KIND_SACK, 2) => options.sack = true,
            (KIND_TIMESTAMP, 10) => {
                options.timestamp =
                    Some(u32::from_be_bytes([bytes[at + 2], bytes[at + 3], bytes[at + 4], bytes[at + 5]]));
            }
            _ => {}
        }
        skip = u32::from(size) - 1;
    }
    options
}
