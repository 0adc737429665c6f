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
pub mod document;
pub mod error_page;
mod explain;
pub mod fmt;
pub mod hint;
pub mod json_schema;
pub mod limits;
pub mod listener;
pub mod lookup;
pub mod node;
pub mod policy;
pub mod reader;
pub mod redirect;
mod reference;
pub mod render;
pub mod route;
pub mod section;
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
pub use explain::explain;
pub use json_schema::json_schema;
pub use lookup::Lookup;
pub use render::render;
pub use source::{Source, Sources};
pub use span::{At, Span};

/// The file that `weir init` writes: twelve lines that are a working TLS proxy with JWT.
#[must_use]
pub fn init() -> &'static str {
    include_str!("../../../config/minimal.yaml")
}
