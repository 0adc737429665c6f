//! The access log up to the point where it is written: lines of JSON, what they may not tell, and the sheets that
//! carry them from a worker to whoever writes them.

mod journal;
mod line;
mod redact;
mod span;
mod stamp;

pub use journal::{Hose, Journal, SHEET_BYTES, Sheet, hoses};
pub(crate) use line::digits;
pub use line::{Key, Line, TEXT_BYTES_MAX};
pub use redact::{COVERED, is_secret_field, path, without_query};
pub use span::{Dialect, Ids, Side, Span, When, envelope};
pub use stamp::Stamp;
