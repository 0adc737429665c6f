//! An io_uring executor: ring, tasks, timers, buffers, one file per operation, and an in-memory simulator.
