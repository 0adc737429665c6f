//! When requests are sent.

pub(crate) mod arrivals;
pub(crate) mod job;
pub(crate) mod queue;
pub(crate) mod random;
pub(crate) mod run;
mod worker;
