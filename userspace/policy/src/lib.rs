//! Judges requests: one trait, one file per policy, one chain.
#![forbid(unsafe_code)]

pub mod jwt;

mod acl;
mod chain;
mod client;
mod consumer;
mod decimal;
mod flow;
mod id;
mod ip_list;
mod now;
mod pass;
mod place;
pub mod rate_limit;
#[cfg(test)]
mod scene;
mod visit;
mod worker;

pub use acl::Acl;
pub use chain::{Chain, Link, Policy, Rank, Step};
pub use client::{Client, mapped};
pub use consumer::{Consumer, Consumers, Identity};
pub use flow::{Call, Flow, Reply};
pub use ip_list::IpList;
pub use now::Now;
pub use pass::{Note, Offence, Pass, Quota, Text};
pub use place::Place;
pub use rate_limit::RateLimit;
pub use visit::{End, Leave, Visit};
pub use worker::Worker;
