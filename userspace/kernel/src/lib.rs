//! Loads the XDP program, keeps its tables true, reads its events and probes the host.
//!
//! Everything is synchronous and short; nothing here owns a thread. The control room opens a [`Shield`], gives it every
//! new plan, and calls [`Shield::tick`] once a second. The command line reads [`Status`] and [`Events`] from the pins.

mod attach;
pub mod bans;
mod bpf;
mod claim;
mod clock;
pub mod counters;
pub mod doctor;
mod error;
mod events;
mod explain;
mod host;
pub mod lists;
mod load;
mod map;
mod netlink;
mod nic;
mod object;
mod pins;
mod rules;
mod shield;
mod status;
mod sysctl;
mod tables;

pub use attach::{Attached, Placement};
pub use bans::{Bans, Cause, Listing};
pub use claim::Claim;
pub use counters::Counters;
pub use error::{Complaint, Error};
pub use events::{Event, Events};
pub use explain::{Explanation, Outcome, Step};
pub use host::{Capability, Host};
pub use load::{Verified, verify_only};
pub use object::ORIGIN;
pub use shield::{Compiled, Draft, Inquiry, Shield, detach, mount};
pub use status::{StageMode, Status};
