//! The io_uring itself: set up with the flags that matter, entered once per turn, drained into a list.

use crate::counters::{Tally, add};
use crate::request::Request;
use io_uring::{IoUring, squeue};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;
use std::time::Duration;

/// One completion.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Completion {
    pub(crate) user_data: u64,
    pub(crate) result: i32,
    pub(crate) flags: u32,
}

/// A ring with what did not fit into it.
pub(crate) struct Ring {
    ring: IoUring,
    /// The index under which this ring is registered with its thread, if it could be.
    registered: Option<RawFd>,
    /// Entries that found the submission queue full and the kernel unwilling; they go first next time.
    backlog: VecDeque<squeue::Entry>,
}

const ENTER_GETEVENTS: u32 = 1;
const ENTER_EXT_ARG: u32 = 1 << 3;
const ENTER_REGISTERED_RING: u32 = 1 << 4;
const REGISTER_RING_FDS: libc::c_uint = 20;

/// `struct io_uring_getevents_arg`.
#[repr(C)]
struct WaitArgument {
    sigmask: u64,
    sigmask_bytes: u32,
    min_wait_usec: u32,
    timespec: u64,
}

/// `struct io_uring_rsrc_update`.
#[repr(C)]
struct ResourceUpdate {
    offset: u32,
    reserved: u32,
    data: u64,
}

impl Ring {
    /// Sets up a ring, without what kernels before 6.6 do not know if need be.
    pub(crate) fn new(submissions: u32, completions: u32) -> io::Result<Ring> {
        let ring = match build(submissions, completions, false) {
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => build(submissions, completions, true)?,
            other => other?,
        };
        let registered = register_ring_fd(ring.as_raw_fd());
        Ok(Ring { ring, registered, backlog: VecDeque::new() })
    }

    pub(crate) fn io_uring(&self) -> &IoUring {
        &self.ring
    }

    /// Queues one request. A full queue is submitted at once; what the kernel cannot take now goes first next turn.
    #[inline]
    pub(crate) fn push(&mut self, request: Request, user_data: u64, tally: &Tally) {
        let entry = request.entry(user_data);
        if !self.backlog.is_empty() || !self.try_push(&entry) {
            self.push_slowly(entry, tally);
        }
    }

    #[cold]
    fn push_slowly(&mut self, entry: squeue::Entry, tally: &Tally) {
        add(&tally.queue_full, 1);
        self.backlog.push_back(entry);
        let submitted = self.enter(0, 0, None, tally);
        debug_assert!(submitted.is_ok() || !self.backlog.is_empty());
        self.drain_backlog();
    }

    fn drain_backlog(&mut self) {
        while let Some(entry) = self.backlog.pop_front() {
            if !self.try_push(&entry) {
                self.backlog.push_front(entry);
                return;
            }
        }
    }

    #[inline]
    fn try_push(&mut self, entry: &squeue::Entry) -> bool {
        // SAFETY: the memory that an entry points to is kept by its slot until the last completion.
        unsafe { self.ring.submission().push(entry).is_ok() }
    }

    /// Whether something is queued that the kernel has not taken yet.
    pub(crate) fn has_queued(&mut self) -> bool {
        !self.backlog.is_empty() || !self.ring.submission().is_empty()
    }

    /// Submits what is queued and waits for `want` completions at most `timeout` long (for ever without one).
    pub(crate) fn wait(&mut self, want: u32, timeout: Option<Duration>, tally: &Tally) -> io::Result<()> {
        if !self.backlog.is_empty() {
            self.drain_backlog();
        }
        let want = if self.backlog.is_empty() { want } else { 0 };
        match self.enter(want, ENTER_GETEVENTS, timeout, tally) {
            Ok(()) => Ok(()),
            Err(e) => match e.raw_os_error() {
                // The time is up; a signal; or the kernel wants its completions taken before it goes on.
                Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN) => Ok(()),
                _ => Err(e),
            },
        }
    }

    fn enter(&mut self, want: u32, flags: u32, timeout: Option<Duration>, tally: &Tally) -> io::Result<()> {
        let queued = self.ring.submission().len();
        let time = timeout.map(timespec);
        let argument = WaitArgument {
            sigmask: 0,
            sigmask_bytes: 0,
            min_wait_usec: 0,
            timespec: time.as_ref().map_or(0, |t| ptr::from_ref(t).addr() as u64),
        };
        let (fd, flags) = match self.registered {
            Some(index) => (index, flags | ENTER_REGISTERED_RING | ENTER_EXT_ARG),
            None => (self.ring.as_raw_fd(), flags | ENTER_EXT_ARG),
        };
        add(&tally.enters, 1);
        // SAFETY: argument and time outlive the call; queued entries were pushed under the slot table's promise.
        let submitted = unsafe {
            libc::syscall(
                libc::SYS_io_uring_enter,
                fd,
                queued,
                want,
                flags,
                ptr::from_ref(&argument),
                size_of::<WaitArgument>(),
            )
        };
        match u64::try_from(submitted) {
            Ok(n) => {
                add(&tally.submitted, n);
                Ok(())
            }
            Err(_) => Err(io::Error::last_os_error()),
        }
    }

    /// Whether no completion waits to be taken. With deferred task work none is made outside of a call of this thread's.
    pub(crate) fn has_told_all(&mut self) -> bool {
        !self.ring.submission().cq_overflow() && self.ring.completion().is_empty()
    }

    /// Takes all completions that are there.
    pub(crate) fn drain(&mut self, into: &mut Vec<Completion>, tally: &Tally) {
        if self.ring.submission().cq_overflow() {
            add(&tally.overflows, 1);
        }
        into.extend(self.ring.completion().map(|c| Completion {
            user_data: c.user_data(),
            result: c.result(),
            flags: c.flags(),
        }));
    }
}

fn build(submissions: u32, completions: u32, bare: bool) -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    builder.setup_single_issuer().setup_defer_taskrun().setup_submit_all().setup_cqsize(completions);
    if !bare {
        builder.setup_no_sqarray();
    }
    builder.build(submissions)
}

/// Registers the ring with its thread, which saves the kernel a descriptor look-up per call.
fn register_ring_fd(fd: RawFd) -> Option<RawFd> {
    let mut update = ResourceUpdate { offset: u32::MAX, reserved: 0, data: u64::try_from(fd).ok()? };
    // SAFETY: the kernel reads and writes one update structure, which lives on this stack.
    let registered = unsafe {
        libc::syscall(libc::SYS_io_uring_register, fd, REGISTER_RING_FDS, ptr::from_mut(&mut update), 1)
    };
    if registered == 1 { RawFd::try_from(update.offset).ok() } else { None }
}

/// `struct __kernel_timespec`.
#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanoseconds: i64::from(duration.subsec_nanos()),
    }
}
