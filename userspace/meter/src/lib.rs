//! Every number weir emits: one table of names, per-worker blocks with one writer each, and the text
//! that a scraper reads.
//!
//! A worker writes its own [`Block`] with plain loads and stores; nobody else does. The scrape adds the
//! blocks up on another thread, so counting costs the data path neither a lock nor a shared cache line.
#![forbid(unsafe_code)]

mod block;
mod directory;
mod exposition;
mod histogram;
pub mod log;
pub mod names;

pub use block::{Block, Class, Count, Done, Flood, Level, Method, TlsVersion, Unshaken};
pub use directory::{Directory, Rows, Seat};
pub use exposition::{Format, Page, blocks};
pub use histogram::Histogram;
