//! Steering: which worker gets a connection. The kernel prefers the listener of the core on which the packets arrive;
//! where that leaves one worker with too much, the worker itself passes fresh connections on.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Makes a listener of a shared port the first choice for connections whose packets arrive on `cpu`.
///
/// # Errors
/// What `setsockopt(2)` says.
pub fn prefer_cpu(socket: &impl AsFd, cpu: u32) -> io::Result<()> {
    let cpu = libc::c_int::try_from(cpu).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let bytes = libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or(0);
    // SAFETY: the option takes one int, which lives on this stack.
    let set = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_INCOMING_CPU,
            std::ptr::from_ref(&cpu).cast(),
            bytes,
        )
    };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// How many connections more than the idlest worker one may have before it passes fresh ones on.
const SLACK: u32 = 2;

/// The workers' loads, as each tells the others, each on a cache line of its own.
#[derive(Clone)]
pub struct Balance(Arc<[Load]>);

#[derive(Default)]
#[repr(align(64))]
struct Load {
    /// Connections, or whatever weighs.
    count: AtomicU32,
    /// The share of its core that it used of late, in thousandths.
    busy: AtomicU32,
}

impl Load {
    fn count(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }

    fn busy(&self) -> u32 {
        self.busy.load(Ordering::Relaxed)
    }
}

/// A worker that uses so much of its core, in thousandths, passes connections on for that alone, to one that uses so much
/// less: few heavy connections fill a core as well as many light ones.
const BUSY_MIN: u32 = 750;
const BUSY_GAP: u32 = 300;

impl Balance {
    /// For so many workers.
    #[must_use]
    pub fn new(workers: usize) -> Balance {
        Balance((0..workers).map(|_| Load::default()).collect())
    }

    /// Tells the others what this worker has: connections, or whatever weighs.
    pub fn tell(&self, worker: usize, load: u32) {
        if let Some(own) = self.0.get(worker) {
            own.count.store(load, Ordering::Relaxed);
        }
    }

    /// Tells the others which share of its core this worker used of late, in thousandths.
    pub fn tell_busy(&self, worker: usize, thousandths: u32) {
        if let Some(own) = self.0.get(worker) {
            own.busy.store(thousandths, Ordering::Relaxed);
        }
    }

    /// Tells the others that one more is on its way to a worker, which says itself when it is there.
    pub fn expect(&self, worker: usize) {
        if let Some(other) = self.0.get(worker) {
            other.count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Who should serve a connection that came to `worker`: itself, unless it has a quarter more than the one with the
    /// fewest and [`SLACK`] on top, or has no time while another has. Locality is worth more than evenness below that.
    #[must_use]
    pub fn pick(&self, worker: usize) -> usize {
        let Some(own) = self.0.get(worker) else { return worker };
        let fewest = self.0.iter().map(Load::count).enumerate().min_by_key(|(_, count)| *count);
        let idlest = self.0.iter().map(Load::busy).enumerate().min_by_key(|(_, busy)| *busy);
        match (fewest, idlest) {
            (Some((other, least)), _) if own.count() > least + least / 4 + SLACK => other,
            (_, Some((other, least))) if own.busy() >= BUSY_MIN.max(least.saturating_add(BUSY_GAP)) => other,
            _ => worker,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_excess_is_passed_on() {
        let check = |loads: [u32; 3], expect: usize| {
            let balance = Balance::new(3);
            loads.iter().enumerate().for_each(|(worker, load)| balance.tell(worker, *load));
            assert_eq!(balance.pick(0), expect, "{loads:?}");
        };
        check([0, 0, 0], 0);
        check([2, 0, 0], 0);
        check([3, 2, 0], 2);
        check([127, 100, 200], 0);
        check([128, 100, 200], 1);
    }

    #[test]
    fn a_worker_without_time_passes_on_what_comes_however_little_it_has() {
        let check = |busy: [u32; 3], expect: usize| {
            let balance = Balance::new(3);
            busy.iter().enumerate().for_each(|(worker, busy)| balance.tell_busy(worker, *busy));
            assert_eq!(balance.pick(0), expect, "{busy:?}");
        };
        check([740, 0, 0], 0);
        check([760, 300, 20], 2);
        check([990, 700, 900], 0);
        check([1000, 700, 900], 1);
    }
}
