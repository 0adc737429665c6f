//! Starts an io_uring executor on the calling thread.

use anyhow::{Context, Result};
use std::future::Future;

/// Submissions and half the completions that fit at once.
const ENTRIES: u32 = 4096;

/// Runs a future to its end. Completions are delivered when the thread asks for them instead of by interrupting it.
pub(crate) fn run<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let mut flags = tokio_uring::uring_builder();
    flags.setup_coop_taskrun().setup_single_issuer();
    let mut builder = tokio_uring::builder();
    builder.entries(ENTRIES).uring_builder(&flags);
    let runtime = tokio_uring::Runtime::new(&builder)
        .context("io_uring is not to be had (kernel 6.0, and kernel.io_uring_disabled=0)")?;
    runtime.block_on(future)
}
