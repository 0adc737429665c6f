//! The few verbs on which everything hangs.
fn main() {}
