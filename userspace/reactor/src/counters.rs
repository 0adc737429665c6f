//! Everything the reactor counts: one list, kept in cells by the worker, copied out whole for whoever exports it.

use std::cell::Cell;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// A copy of all counts at one moment. Names ending in `_live` and `_max` are levels, all others only grow.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Counters { $($(#[$doc])* pub $name: u64),+ }

        /// The counts as the worker keeps them.
        #[derive(Default)]
        pub(crate) struct Tally { $(pub(crate) $name: Cell<u64>),+ }

        impl Tally {
            pub(crate) fn copy(&self) -> Counters {
                Counters { $($name: self.$name.get()),+ }
            }
        }
    };
}

counters! {
    /// Loop turns: each is one pass over ready tasks and one wait.
    turns,
    /// Turns in which tasks were polled for longer than a millisecond, while everybody else waited.
    turns_long,
    /// The longest that tasks were polled in one turn, in microseconds.
    turn_us_max,
    /// `io_uring_enter` calls.
    enters,
    /// Operations handed to the kernel.
    submitted,
    /// Completions taken from the kernel.
    completions,
    /// Completions whose operation was already gone.
    completions_stale,
    /// Turns that found the completion queue overflown; the kernel kept what did not fit.
    overflows,
    /// Submissions in the middle of a turn because the queue was full.
    queue_full,
    /// Operations refused because `operations_max` were in flight.
    operations_refused,
    /// Operations in flight.
    operations_live,
    /// Operations cancelled because their future was dropped or their queue was full.
    cancels,
    /// Task polls.
    polls,
    /// Tasks started.
    spawns,
    /// Tasks alive.
    tasks_live,
    /// Tasks that panicked and were ended.
    panics,
    /// Connections accepted.
    accepts,
    /// Times that a listener paused because the process or the machine was out of descriptors or memory.
    accept_pauses,
    /// Times that a listener held back because `tasks_max` or `accept_queue_max` was reached.
    accept_holds,
    /// Connections attempted.
    connects,
    /// Receives that brought data.
    recvs,
    /// Bytes received.
    recv_bytes,
    /// Times that a receive was armed.
    recv_arms,
    /// Times that a stream's receive was paused because its reader was behind.
    recv_holds,
    /// Times that a receive found no buffer.
    buffers_exhausted,
    /// Buffers in the hands of tasks or streams.
    buffers_live,
    /// The most buffers that were ever out at once.
    buffers_max,
    /// Sends completed.
    sends,
    /// Bytes sent.
    send_bytes,
    /// Sends that the kernel cut short and that were continued.
    sends_short,
    /// Zero-copy sends.
    zero_copies,
    /// Zero-copy sends that the kernel copied after all.
    zero_copies_copied,
    /// Times that a tunnel moved bytes from socket to socket inside the kernel.
    splices,
    /// Bytes so moved.
    splice_bytes,
    /// Times that a tunnel in bulk found no pipe and went on through buffers.
    pipes_refused,
    /// Descriptors closed.
    closes,
    /// Timers set.
    timers,
    /// Timers that expired.
    timers_fired,
    /// Timers refused because `timers_max` were set; their sleepers ended at once.
    timers_refused,
    /// Timers waiting.
    timers_live,
    /// Wake-ups from other threads.
    wakes_foreign,
    /// Jobs run for other threads.
    jobs,
}

/// Adds to a counter.
pub(crate) fn add(counter: &Cell<u64>, n: u64) {
    counter.set(counter.get().wrapping_add(n));
}
