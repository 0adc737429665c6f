//! What the kernel and user space agree on: packet parser, table layouts, reasons, events.
//!
//! The same source is compiled for the XDP program and for the host, so the two cannot drift apart. Everything
//! here is pure: no clock, no I/O, no allocation unless the feature `host` is on.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "host")]
extern crate alloc;

pub mod address;
pub mod anomaly;
pub mod ban;
pub mod config;
pub mod counter;
pub mod event;
pub mod flow;
pub mod limit;
pub mod list;
pub mod packet;
pub mod parse;
pub mod port;
pub mod reason;
pub mod table;

pub use address::Address;
pub use ban::Ban;
pub use config::{Config, Rules};
pub use counter::{Count, Extra, Pass};
pub use event::Event;
pub use flow::Flow;
pub use limit::Limit;
pub use list::Mark;
pub use packet::Packet;
pub use reason::{Mode, Reason, Stage};
