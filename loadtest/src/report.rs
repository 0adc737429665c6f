//! What is left of a run: a table in the terminal, JSON, HDR logs and one HTML file.

pub(crate) mod hdr;
pub(crate) mod html;
pub(crate) mod json;
pub(crate) mod terminal;
