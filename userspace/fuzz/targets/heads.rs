//! Whatever comes as a head, reading it ends, nothing panics, and what is forwarded has one meaning.
#![no_main]

#[path = "../../message/tests/corpus/heads.rs"]
mod heads;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| heads::heads(bytes));
