//! What is measured: answers and their latencies, the CPU time and memory of processes, the machine.

pub(crate) mod machine;
pub(crate) mod process;
pub(crate) mod statistics;
pub(crate) mod tally;

pub(crate) use tally::{Fault, Tally};
