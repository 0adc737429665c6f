//! Whatever stands in a configuration, reading it ends, nothing panics, and a tidy file stays as it is.
#![no_main]

#[path = "../../schema/tests/corpus/survive.rs"]
mod survive;

libfuzzer_sys::fuzz_target!(|text: &str| survive::survive(text));
