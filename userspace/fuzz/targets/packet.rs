//! Whatever comes in from the wire, parsing it ends, nothing panics, and what is said of it stands in the frame.
#![no_main]

#[path = "../../../ebpf/wire/tests/corpus/survive.rs"]
mod survive;

libfuzzer_sys::fuzz_target!(|frame: &[u8]| survive::survive(frame));
