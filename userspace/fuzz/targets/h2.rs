//! Whatever a target says in HTTP/2, reading it ends and nothing panics; what is taken for a head is within its bounds.
#![no_main]

#[path = "../../message/tests/corpus/h2.rs"]
mod h2;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| h2::h2(bytes));
