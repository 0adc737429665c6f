//! The configuration as meant: an immutable plan compiled from the schema, and the difference of two plans.
#![forbid(unsafe_code)]

pub mod balance;
pub mod chains;
mod compile;
pub mod diff;
pub mod hash;
pub mod host;
pub mod id;
pub mod key;
pub mod limit;
pub mod listener;
pub mod log;
mod names;
pub mod offload;
pub mod page;
pub mod pattern;
mod plan;
pub mod route;
pub mod router;
pub mod shield;
pub mod tls;
pub mod trace;
pub mod upstream;

pub use compile::{Files, Outcome, Outside, Refusal, Renewal, compile, renew};
pub use names::Names;
pub use plan::Plan;
