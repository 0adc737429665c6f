//! What HTTP means: head, headers, framing, hop-by-hop fields, target; HTTP/1 and HTTP/2 parsed and
//! written without I/O.
//!
//! A head is one byte buffer and a list of ranges into it. Both are kept from one message to the next, so a
//! connection that has warmed up parses, edits and forwards heads without allocating. Nothing in this room
//! reads a socket or a clock, and nothing repairs a message: what RFC 9112 calls an error is an [`Error`].
#![forbid(unsafe_code)]

pub mod chunk;
mod date;
mod error;
mod field_line;
mod field_name;
mod framing;
pub mod h1;
pub mod h2;
mod head;
pub mod hop;
mod host;
mod limits;
mod method;
mod name;
mod request;
mod response;
mod span;
pub mod trailer;
pub mod uri;

pub use date::http_date;
pub use error::Error;
pub use field_line::FieldLine;
pub use field_name::FieldName;
pub use framing::Framing;
pub use head::{Field, Head};
pub use host::Host;
pub use limits::Limits;
pub use method::Method;
pub use name::{Name, NameSet};
pub use request::{Request, Scheme, Upgrade, Version};
pub use response::Response;
