//! Frames that fuzzing has found, and where it starts from, are parsed and nothing impossible is said of them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on says where")]

use std::fs;
use std::path::Path;

#[path = "corpus/survive.rs"]
mod survive;

#[test]
fn the_corpus_of_the_fuzz_target_is_survived() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../userspace/fuzz/corpus/packet");
    let frames: Vec<Vec<u8>> =
        fs::read_dir(corpus).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(frames.len() >= 60, "only {} frames", frames.len());
    for frame in &frames {
        survive::survive(frame);
        // Each with every byte turned over in turn: close to what is valid lies what hurts.
        for at in 0..frame.len().min(96) {
            let mut torn = frame.clone();
            torn[at] = !torn[at];
            survive::survive(&torn);
        }
    }
}
