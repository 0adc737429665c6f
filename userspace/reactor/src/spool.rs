//! Writing for a thread that may wait: pieces go to the kernel together, over a small ring of the thread's own.

use io_uring::squeue::{Entry, Flags};
use io_uring::{IoUring, opcode, types};
use std::fmt;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// A ring with nothing under way between two calls.
pub struct Spool {
    ring: IoUring,
    results: [i32; Spool::PIECES_MAX],
}

/// How long a kernel that takes no entries at the moment is left alone.
const PAUSE: Duration = Duration::from_millis(1);

impl Spool {
    /// So many pieces at once are the most; further ones are not looked at.
    pub const PIECES_MAX: usize = 64;

    /// A ring of its own.
    ///
    /// # Errors
    /// The kernel has no io_uring, or does not allow it.
    pub fn new() -> io::Result<Self> {
        let ring = IoUring::new(u32::try_from(Self::PIECES_MAX).unwrap_or(u32::MAX))?;
        Ok(Self { ring, results: [0; Self::PIECES_MAX] })
    }

    /// Writes pieces one behind the other, to where a file ends or into a pipe, and waits; for a reader that stands still no
    /// longer than `patience`. Returns how many bytes were taken, of all of them together.
    ///
    /// # Errors
    /// What the kernel said; [`io::ErrorKind::TimedOut`] when the patience is at its end.
    pub fn append(&mut self, to: BorrowedFd<'_>, pieces: &[&[u8]], patience: Duration) -> io::Result<usize> {
        let parts: Vec<IoSlice<'_>> =
            pieces.iter().take(Self::PIECES_MAX).map(|piece| IoSlice::new(piece)).collect();
        let count = u32::try_from(parts.len()).unwrap_or(0);
        // `IoSlice` has the layout of `iovec`. At the offset -1 the kernel writes where the file stands.
        let entry = opcode::Writev::new(types::Fd(to.as_raw_fd()), parts.as_ptr().cast(), count);
        let write = entry.offset(u64::MAX).build().flags(Flags::IO_LINK);
        let patience = types::Timespec::from(patience);
        self.run(&[write, opcode::LinkTimeout::new(&raw const patience).build()]);
        let [written, ..] = self.results;
        match outcome(written) {
            Err(error) if error.raw_os_error() == Some(libc::ECANCELED) => {
                Err(io::ErrorKind::TimedOut.into())
            }
            outcome => outcome,
        }
    }

    /// Sends each piece as a datagram, in order, and waits. Returns how many were taken, and why no more were.
    pub fn send_each(&mut self, to: BorrowedFd<'_>, pieces: &[&[u8]]) -> (usize, Option<io::Error>) {
        let pieces = pieces.get(..Self::PIECES_MAX).unwrap_or(pieces);
        let entry = |(at, piece): (usize, &&[u8])| {
            let length = u32::try_from(piece.len()).unwrap_or(u32::MAX);
            let entry = opcode::Send::new(types::Fd(to.as_raw_fd()), piece.as_ptr(), length).build();
            // Each waits for the one before, and one that fails takes those behind it along.
            if at + 1 < pieces.len() { entry.flags(Flags::IO_LINK) } else { entry }
        };
        let entries: Vec<Entry> = pieces.iter().enumerate().map(entry).collect();
        self.run(&entries);
        let results = self.results.get(..entries.len()).unwrap_or_default();
        let taken = results.iter().take_while(|result| **result >= 0).count();
        (taken, results.get(taken).and_then(|result| outcome(*result).err()))
    }

    /// Carries entries out. It returns when every one is complete, whatever else happens: only so may their memory be borrowed
    /// from the caller.
    fn run(&mut self, entries: &[Entry]) {
        for (entry, number) in entries.iter().zip(0..) {
            let entry = entry.clone().user_data(number);
            // SAFETY: what an entry points to is borrowed by the caller of this function, which returns only when all entries
            // are complete. The queue has room, because it is empty between two calls and as long as the list may be.
            let pushed = unsafe { self.ring.submission().push(&entry) };
            debug_assert!(pushed.is_ok(), "more entries than the queue has room for");
        }
        let mut open = entries.len();
        while open > 0 {
            if self.ring.submit_and_wait(1).is_err() {
                // A signal, or no memory at the moment. The entries are still in the queue or on their way.
                std::thread::park_timeout(PAUSE);
            }
            for completion in self.ring.completion() {
                let number = usize::try_from(completion.user_data()).unwrap_or(usize::MAX);
                if let Some(result) = self.results.get_mut(number) {
                    *result = completion.result();
                }
                open -= 1;
            }
        }
    }
}

impl fmt::Debug for Spool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spool").finish_non_exhaustive()
    }
}

fn outcome(result: i32) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result))
}
