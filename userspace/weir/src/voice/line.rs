//! Lines on standard error for which nobody waits. Whoever reads them may stand still, and the thread that writes them answers the
//! operator, carries out bans and feeds the watchdog: a line that cannot be written at once is lost, and counted.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{Result, Stderr, StderrLock, Write, stderr};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A pipe that says it is ready takes as much at once without making anybody wait (pipe(7), PIPE_BUF).
const AT_ONCE: usize = 4096;

static LOST: AtomicU64 = AtomicU64::new(0);

/// How many lines were lost, in whole or in part.
pub(crate) fn lost() -> u64 {
    LOST.load(Relaxed)
}

/// Standard error; what is written to it at once is one line.
pub(super) struct Line(Stderr);

impl Line {
    pub(super) fn new() -> Self {
        Self(stderr())
    }
}

impl Write for Line {
    fn write(&mut self, text: &[u8]) -> Result<usize> {
        let mut out = self.0.lock();
        if !text.chunks(AT_ONCE).all(|piece| is_ready(&out) && out.write_all(piece).is_ok()) {
            LOST.fetch_add(1, Relaxed);
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Whether something can be written without waiting. Files always say so.
fn is_ready(out: &StderrLock<'_>) -> bool {
    let mut asked = [PollFd::new(out.as_fd(), PollFlags::POLLOUT)];
    poll(&mut asked, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}
