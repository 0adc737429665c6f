//! Judges requests: one trait, one file per policy, one chain.
