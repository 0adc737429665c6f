//! HTTP/1 text, without I/O: a parser that refuses what RFC 9112 calls an error, and a writer.
mod parse;
mod write;

pub use parse::{Parser, Rules, Underscores};
pub use write::{Delivery, reason, write_request, write_response};

#[cfg(test)]
mod tests;
