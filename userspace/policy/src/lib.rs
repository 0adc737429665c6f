//! Judges requests: one trait, one file per policy, one chain.
#![forbid(unsafe_code)]

pub mod jwt;

mod acl;
mod any_of;
mod chain;
mod client;
mod consumer;
mod cors;
mod decimal;
mod flow;
mod headers;
mod id;
mod identity;
mod ip_list;
mod key_auth;
mod library;
mod now;
mod pass;
mod place;
pub mod rate_limit;
mod request_id;
#[cfg(test)]
mod scene;
mod seed;
mod size_limit;
mod table;
mod template;
pub mod verdicts;
mod visit;
mod worker;

pub use acl::Acl;
pub use any_of::AnyOf;
pub use chain::{Chain, Link, Policy, Rank, Step};
pub use client::{Client, mapped};
pub use consumer::{Consumer, Consumers, Identity};
pub use cors::{Allowed, Cors, Origins};
pub use flow::{Call, Flow, Reply};
pub use headers::{Edits, Headers, Way};
pub use identity::introduce;
pub use ip_list::IpList;
pub use jwt::Jwt;
pub use key_auth::{Credentials, KeyAuth};
pub use library::{Build, Files, Library};
pub use now::Now;
pub use pass::{Note, Offence, Pass, Text};
pub use place::Place;
pub use rate_limit::RateLimit;
pub use request_id::{RequestId, Trust};
pub use size_limit::SizeLimit;
pub use table::Bucket;
pub use template::{Facts, Template};
pub use verdicts::Verdicts;
pub use visit::{End, Leave, Visit};
pub use worker::Worker;
