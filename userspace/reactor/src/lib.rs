//! An io_uring executor: ring, tasks, timers, buffers, one file per operation, and an in-memory simulator.
#![allow(unsafe_code, reason = "the kernel writes into our memory; each block names who keeps the promise")]

mod buf;
mod config;
mod counters;
mod driver;
mod error;
mod here;
mod hub;
mod inbox;
mod listener;
mod op;
mod owned;
mod pool;
mod probe;
mod reactor;
mod region;
mod request;
mod ring;
mod slot;
mod socket;
mod staging;
mod steer;
mod stream;
mod task;
mod time;
mod waker;
mod wheel;

pub use buf::Buf;
pub use config::Config;
pub use counters::Counters;
pub use error::Error;
pub use inbox::{Handle, Job};
pub use listener::{Listen, Listener, open};
pub use op::accept::Accepting;
pub use op::poll::{Polling, readable, writable};
pub use op::recv::Receiving;
pub use op::send::Sending;
pub use op::send_vectored::SendingVectored;
pub use op::send_zc::SendingZeroCopy;
pub use op::shutdown::ShuttingDown;
pub use owned::{Owned, OwnedList};
pub use reactor::{Reactor, counters, spawn};
pub use steer::prefer_cpu;
pub use stream::{RecvHalf, SendHalf, Stream};
pub use time::{Deadline, Elapsed, Sleep, Yield, deadline, now, sleep, sleep_until, yield_now};
