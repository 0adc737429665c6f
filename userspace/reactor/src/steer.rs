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
struct Load(AtomicU32);

impl Balance {
    /// For so many workers.
    #[must_use]
    pub fn new(workers: usize) -> Balance {
        Balance((0..workers).map(|_| Load::default()).collect())
    }

    /// Tells the others what this worker has: connections, or whatever weighs.
    pub fn tell(&self, worker: usize, load: u32) {
        if let Some(own) = self.0.get(worker) {
            own.0.store(load, Ordering::Relaxed);
        }
    }

    /// Tells the others that one more is on its way to a worker, which says itself when it is there.
    pub fn expect(&self, worker: usize) {
        if let Some(other) = self.0.get(worker) {
            other.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Who should serve a connection that came to `worker`: itself, unless it has a quarter more than the idlest one,
    /// and [`SLACK`] on top. Locality is worth more than evenness below that.
    #[must_use]
    pub fn pick(&self, worker: usize) -> usize {
        let load = |l: &Load| l.0.load(Ordering::Relaxed);
        let own = self.0.get(worker).map_or(0, load);
        let idlest = self.0.iter().map(load).enumerate().min_by_key(|(_, load)| *load);
        match idlest {
            Some((other, least)) if own > least + least / 4 + SLACK => other,
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
}
