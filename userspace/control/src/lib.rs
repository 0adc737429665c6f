//! The control thread: signals, the admin doors, the service manager, the test server; and beside it the
//! thread that writes the access log. tokio lives here only.
//!
//! It is one thread beside the workers and never on the path of a request.
#![forbid(unsafe_code)]

pub mod door;
pub mod notify;
pub mod origin;
pub mod scribe;

mod checks;
mod dial;
mod fetch;
mod keyring;
mod names;
mod signals;
mod standby;
mod turn;
mod watch;

pub use checks::{Checks, Report};
pub use fetch::{Fetcher, Unfetched};
pub use keyring::{IssuerView, Keyring, Pace};
pub use names::Names;
pub use signals::{Signal, Signals};
pub use standby::Standby;
pub use turn::{Turn, Turns, WORK_MAX, aside};
pub use watch::Watch;

/// Runs `main` on a control thread of its own kind: single-threaded, with timers and I/O.
pub fn run<F: Future>(main: F) -> std::io::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(tokio::task::LocalSet::new().block_on(&runtime, main))
}

/// Starts a task on this control thread; it ends with the thread.
pub fn spawn(task: impl Future<Output = ()> + 'static) {
    tokio::task::spawn_local(task);
}
