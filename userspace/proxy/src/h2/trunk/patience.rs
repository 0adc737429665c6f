//! How long a target is listened to that only talks.
use crate::h2::credit::Credit;
use std::time::Instant;
use weir_message::h2::Code;
use weir_reactor::now;

/// Frames that bring nothing forward, at the beginning and at most, and how many more in a second.
const FRUITLESS_MAX: u64 = 2000;
const FRUITLESS_PER_SECOND: u64 = 200;
/// What a new stream earns.
const STREAM_WORTH: u64 = 4;
/// Bytes, either way, that earn one: windows are opened as data flows.
const BYTES_WORTH: usize = 256;

/// How many frames a target may still send that bring nothing forward.
pub(super) struct Patience {
    credit: Credit,
    earned_until: Instant,
    moved: usize,
}

impl Patience {
    pub(super) fn new() -> Patience {
        Patience { credit: Credit::new(FRUITLESS_MAX), earned_until: now(), moved: 0 }
    }

    /// A request was sent, around which a few things may be said.
    pub(super) fn begun(&mut self) {
        self.credit.earn(STREAM_WORTH);
    }

    /// So many bytes of a body have passed.
    pub(super) fn moved(&mut self, bytes: usize) {
        self.moved += bytes;
        self.credit.earn((self.moved / BYTES_WORTH) as u64);
        self.moved %= BYTES_WORTH;
    }

    /// A frame has come that brings nothing forward. RFC 9113, section 10.5: too many are an attack.
    pub(super) fn spend(&mut self) -> Result<(), Code> {
        if self.credit.spend(1) {
            return Ok(());
        }
        let rested = now().saturating_duration_since(self.earned_until).as_millis();
        let rested_ms = u64::try_from(rested).unwrap_or(u64::MAX).min(60_000);
        self.earned_until = now();
        self.credit.earn(rested_ms * FRUITLESS_PER_SECOND / 1000);
        if self.credit.spend(1) { Ok(()) } else { Err(Code::ENHANCE_YOUR_CALM) }
    }
}
