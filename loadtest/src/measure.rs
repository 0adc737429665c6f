//! What is measured: answers and their latencies, the CPU time and memory of processes, the machine.

mod fault;
pub(crate) mod machine;
pub(crate) mod process;
pub(crate) mod statistics;
pub(crate) mod tally;

pub(crate) use fault::Fault;
pub(crate) use tally::Tally;
