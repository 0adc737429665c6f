//! Threads with a ring each, on which clients run, and the origin too where cores are few.

use anyhow::{Context, Result};
use std::future::Future;
use std::pin::Pin;
use tokio::sync::mpsc;

/// Submissions that fit at once, and half the completions.
const ENTRIES: u32 = 4096;

/// Makes a task on the thread that runs it.
pub(crate) type Work = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// One thread; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Engine {
    work: mpsc::UnboundedSender<Work>,
}

impl Engine {
    pub(crate) fn start(name: &str) -> Result<Self> {
        let (work, mut inbox) = mpsc::unbounded_channel::<Work>();
        let (tell, told) = crossbeam::channel::bounded(1);
        let body = move || {
            let runtime = match runtime() {
                Ok(runtime) => runtime,
                Err(error) => return tell.send(Err(error)).unwrap_or_default(),
            };
            tell.send(Ok(())).ok();
            runtime.block_on(async move {
                while let Some(work) = inbox.recv().await {
                    tokio_uring::spawn(work());
                }
            });
        };
        std::thread::Builder::new().name(name.into()).spawn(body).context("cannot start a thread")?;
        told.recv().context("the thread ended at once")??;
        Ok(Self { work })
    }

    /// Runs a task on the thread.
    pub(crate) fn spawn<F: Future<Output = ()> + 'static>(&self, work: impl FnOnce() -> F + Send + 'static) {
        // Without the thread nobody waits for the work either: what it would have sent is never received.
        self.work.send(Box::new(move || Box::pin(work()))).ok();
    }
}

/// Completions are delivered when the thread asks for them, instead of by interrupting it.
fn runtime() -> Result<tokio_uring::Runtime> {
    let mut flags = tokio_uring::uring_builder();
    flags.setup_coop_taskrun().setup_single_issuer();
    let mut builder = tokio_uring::builder();
    builder.entries(ENTRIES).uring_builder(&flags);
    tokio_uring::Runtime::new(&builder)
        .context("no io_uring: it needs kernel 6.0 and kernel.io_uring_disabled=0")
}
