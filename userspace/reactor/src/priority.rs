//! Threads that work beside the workers, and not at their expense.

/// About a tenth of a core is left for such a thread where workers take all they can get. In the idle class it would be three parts
/// in a thousand, so that on a full machine a large configuration would never be ready; and a worker that wakes up is not held
/// up longer by this one, since whoever wakes goes before it.
const NICE: libc::c_int = 10;

/// Has the calling thread step back behind the workers. Where that is not allowed it stays as it is.
pub fn give_way() {
    // SAFETY: no memory is passed. 0 means the calling thread, which on Linux has a priority of its own (setpriority(2)).
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
}
