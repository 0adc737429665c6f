//! The reactor over the kernel's io_uring and loopback. Where io_uring is refused, every trial is ignored and says why.
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a trial fails by panicking"
)]

mod alone;
mod basics;
mod bulk;
mod faults;
mod spool;
mod steering;

use libtest_mimic::{Arguments, Failed, Trial};
use weir_reactor::{Config, Reactor};

/// A trial's name and what it does; it panics to fail.
pub(crate) type Case = (&'static str, fn());

fn main() {
    alone::run_child();
    let arguments = Arguments::from_args();
    let refusal = Reactor::new(Config::default()).err().map(|e| e.to_string());
    if let Some(reason) = &refusal {
        println!("ignored: {reason}");
    }
    let trials =
        [basics::cases(), bulk::cases(), faults::cases(), steering::cases(), spool::cases(), alone::cases()]
            .concat()
            .into_iter()
            .map(|(name, case)| {
                let run = move || {
                    case();
                    Ok::<(), Failed>(())
                };
                Trial::test(name, run).with_ignored_flag(refusal.is_some())
            });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}
