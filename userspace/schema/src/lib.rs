//! The configuration as written: one file per section, every error at its line and column.
//!
//! `parse` reads the files of a configuration into a `Config` and a `Report`. Every value is an `At<T>`: it knows where it stands.
//! The crate is pure: it opens nothing and asks nothing; what lies outside the files comes through `Lookup`.
#![forbid(unsafe_code)]

pub mod admin;
pub mod code;
pub mod config;
pub mod consumer;
pub mod diagnostic;
pub mod hint;
pub mod limits;
pub mod listener;
pub mod lookup;
pub mod node;
pub mod policy;
pub mod reader;
pub mod redirect;
mod reference;
pub mod route;
mod section;
pub mod shape;
pub mod shield;
pub mod shown;
pub mod source;
pub mod span;
pub mod telemetry;
pub mod tls;
pub mod upstream;
pub mod value;
mod yaml;

pub use code::Code;
pub use config::{Config, Outcome, parse};
pub use diagnostic::{Diagnostic, Format, Report};
pub use lookup::Lookup;
pub use source::{Source, Sources};
pub use span::{At, Span};
