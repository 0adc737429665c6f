//! What a client offers in its SYN, as far as a cookie can remember it.
use weir_wire::{Config, Packet, config::FLAG_COOKIE_TIMESTAMPS};

use crate::{frame::Frame, tables::Pad};

/// Where options begin, and where the longest header ends.
const FIRST: usize = 20;
const END: usize = 60;

const KIND_END: u8 = 0;
const KIND_NOTHING: u8 = 1;
const KIND_WINDOW_SCALE: u8 = 3;
const KIND_SACK: u8 = 4;
const KIND_TIMESTAMP: u8 = 8;

/// The options that matter; all absent unless the client sent a timestamp, which is what remembers the rest.
#[derive(Clone, Copy)]
pub struct Options {
    /// The client's timestamp, if it sent one.
    pub timestamp: u32,
    /// Whether it did.
    pub is_stamped: bool,
    /// The client's window scale, or [`NO_SCALE`].
    pub window_scale: u8,
    /// Whether the client takes selective acknowledgements.
    pub sack: bool,
}

/// The client sent no window scale.
pub const NO_SCALE: u8 = 0xff;
/// Nothing is remembered.
pub const NOTHING: Options = Options { timestamp: 0, is_stamped: false, window_scale: NO_SCALE, sack: false };

impl Options {
    /// The options of a copied header.
    #[inline(always)]
    pub fn of_copy(length: u32, config: &Config) -> Options {
        if !config.has(FLAG_COOKIE_TIMESTAMPS) {
            return NOTHING;
        }
        let found = scan_options(length);
        Options {
            timestamp: found as u32,
            is_stamped: found & STAMPED != 0,
            window_scale: (found >> SCALE_AT) as u8,
            sack: found & SACK != 0,
        }
    }

    /// Reads options in the order in which Linux writes them: MSS, SACK, timestamp, nothing, window scale. False if they
    /// are others.
    #[inline(always)]
    pub fn usual(&mut self, bytes: &[u8; 40], config: &Config) -> bool {
        if !config.has(FLAG_COOKIE_TIMESTAMPS) {
            return true;
        }
        let (words, _) = bytes.as_chunks::<4>();
        let [_, _, _, _, _, mss, sack_and_timestamp, timestamp, _, scale] = words else {
            return false;
        };
        let scale = Frame::be32(scale);
        let is_usual = Frame::be32(mss) >> 16 == 0x0204
            && Frame::be32(sack_and_timestamp) == 0x0402_080a
            && scale >> 8 == 0x01_0303;
        if is_usual {
            *self = Options {
                timestamp: Frame::be32(timestamp),
                is_stamped: true,
                window_scale: scale as u8,
                sack: true,
            };
        }
        is_usual
    }

    /// The timestamp of the answer, whose low bits remember the options until the client echoes it.
    ///
    /// The layout is the kernel's (`cookie_init_timestamp`): four bits of window scale, all ones for none; one for
    /// SACK; above them the clock in milliseconds, never ahead of now.
    #[inline(always)]
    pub fn remember(&self, now_ns: u64) -> u32 {
        let now_ms = (now_ns / 1_000_000) as u32;
        let scale = u32::from(self.window_scale & 0xf);
        let stamp = (now_ms & !0x3f) | scale | if self.sack { 0x10 } else { 0 };
        if stamp > now_ms { stamp.wrapping_sub(0x40) } else { stamp }
    }
}

/// Walks over the options of the copied header, in any order. The index is the loop's own, so that the verifier knows it
/// at every step; what an option occupies is skipped by counting.
///
/// Exported, so that the verifier walks through it once and not again for every way that leads here. Such a function
/// returns a number: the timestamp, and above it scale, SACK and whether there is a timestamp.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn scan_options(length: u32) -> u64 {
    let Some(pad) = Pad::find() else { return u64::from(NO_SCALE) << SCALE_AT };
    // SAFETY: the pad belongs to this CPU and outlives the program's run.
    let bytes = unsafe { &(*pad.start()).segment };
    let (mut timestamp, mut scale, mut marks, mut skip) = (0_u64, u64::from(NO_SCALE), 0_u64, 0_u32);
    for at in FIRST..END {
        if at as u32 >= length {
            break;
        }
        if skip > 0 {
            skip -= 1;
            continue;
        }
        // Six bytes from any place in the walk on lie within the copy.
        let Some([kind, size, a, b, c, d]) = bytes.get(at..at + 6) else { break };
        let (kind, size) = (*kind, *size);
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
            (KIND_WINDOW_SCALE, 3) => scale = u64::from(*a),
            (KIND_SACK, 2) => marks |= SACK,
            (KIND_TIMESTAMP, 10) => {
                marks |= STAMPED;
                timestamp = u32::from_be_bytes([*a, *b, *c, *d]).into();
            }
            _ => {}
        }
        skip = u32::from(size) - 1;
    }
    timestamp | (scale << SCALE_AT) | marks
}

/// Where the window scale stands in what [`scan_options`] returns, and the marks above it.
const SCALE_AT: u32 = 32;
const SACK: u64 = 1 << 40;
const STAMPED: u64 = 1 << 41;
