//! HPACK (RFC 7541): fields as numbers of two tables, or as text that may be in a Huffman code.
//!
//! What is written here uses the static table only. Requests of many clients share a connection to a target, and a table
//! that they filled together would let one of them guess fields of another by the size of its own (section 7.1).
mod decoder;
mod encoder;
mod huffman;
mod integer;
mod static_table;
mod table;

pub use decoder::{Corrupt, Decoder};
pub use encoder::{begin, field};
pub(super) use encoder::{indexed, named};
