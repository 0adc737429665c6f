//! What is logged of each request, and where to, as meant.

use std::time::Duration;

use weir_meter::log::Dialect;
use weir_policy::Template;

/// The access log.
#[derive(Debug)]
pub struct AccessLog {
    /// Of a million requests without error or refusal, so many are logged.
    pub millionths: u32,
    /// Further fields, by name.
    pub fields: Vec<(String, Template)>,
    /// Header fields of the request that are logged.
    pub headers: Vec<Header>,
    /// A line waits no longer than this to be written.
    pub flush: Duration,
}

/// Spans of requests.
#[derive(Debug)]
pub struct Traces {
    /// Of a million traces that are begun here, so many are recorded.
    pub millionths: u32,
    /// How a span is written.
    pub dialect: Dialect,
    /// A span waits no longer than this to be sent.
    pub flush: Duration,
}

/// A header field of the request that is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name in lower case.
    pub name: String,
    /// What of its value is told.
    pub told: Told,
}

/// What is told of a header field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// All of it.
    Whole,
    /// That it was there: it carries a credential.
    Presence,
    /// It is a URL, without its query.
    Url,
}
