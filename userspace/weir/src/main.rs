//! The program: command line and boot.
fn main() {}
