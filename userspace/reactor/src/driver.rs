//! Where requests go and completions come from: the kernel's ring, or the simulator's network.

use crate::counters::Tally;
use crate::request::Request;
use crate::ring::{Completion, Ring};
use std::io;
use std::time::Duration;

/// One branch per operation; everything above it is the same code on both sides.
pub(crate) enum Driver {
    Ring(Ring),
}

impl Driver {
    #[inline]
    pub(crate) fn push(&mut self, request: Request, user_data: u64, tally: &Tally) {
        match self {
            Driver::Ring(ring) => ring.push(request, user_data, tally),
        }
    }

    /// Submits, waits, and takes the completions that are there.
    pub(crate) fn turn(
        &mut self,
        want: u32,
        timeout: Option<Duration>,
        into: &mut Vec<Completion>,
        tally: &Tally,
    ) -> io::Result<()> {
        match self {
            Driver::Ring(ring) => {
                ring.wait(want, timeout, tally)?;
                ring.drain(into, tally);
                Ok(())
            }
        }
    }
}
