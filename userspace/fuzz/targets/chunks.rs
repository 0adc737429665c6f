//! Whatever comes as a chunked body, decoding it ends, nothing panics, and pieces change nothing.
#![no_main]

#[path = "../../message/tests/corpus/chunks.rs"]
mod chunks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chunks::chunks(bytes));
