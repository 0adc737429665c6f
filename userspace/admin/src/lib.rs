//! The admin interface: [`Call::parse`] says what a request asks for, [`Response`] is what it gets,
//! and [`Client`] is how the command line asks.
//!
//! Nothing here listens or acts. The program parses a request into a [`Call`], does it, and answers; so the
//! whole interface can be tested as a function, and every door (unix socket, status listener) is the same.
#![forbid(unsafe_code)]

mod call;
mod client;
mod condition;
mod order;
mod page;
mod response;
mod steer;

pub use call::{Call, Door, Request, Subject};
pub use client::{Client, Error as ClientError};
pub use condition::holds;
pub use order::{File, Operator, Order};
pub use page::{ITEMS, ITEMS_MAX, Page};
pub use response::Response;
pub use steer::{Steer, WEIGHT_MAX, Wish};
