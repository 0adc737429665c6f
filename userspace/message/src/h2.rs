//! HTTP/2 without I/O: frames (RFC 9113), and heads as HPACK compresses them (RFC 7541).
mod answer;
mod code;
mod frame;
mod frames;
mod headers;
pub mod hpack;
mod settings;
mod write;

pub use answer::{AnswerReader, read_trailers};
pub use code::Code;
pub use frame::{ACK, END_HEADERS, END_STREAM, Frame, HEAD, Kind};
pub use frames::{Frames, LENGTH_MAX};
pub use headers::{unpadded, write_head};
pub use settings::{Setting, Settings};
pub use write::{write_connect, write_request, write_trailers};
