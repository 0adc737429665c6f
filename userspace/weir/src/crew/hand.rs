//! One worker: its thread, how to reach it, and what it holds.

use anyhow::{Context, Result};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use weir_meter::Block;
use weir_proxy::{Helm, Place, Socket, Worker};
use weir_reactor::{Config, Error};

/// A worker.
pub(super) struct Hand {
    pub(super) cpu: usize,
    pub(super) place: Place,
    pub(super) helm: Helm,
    pub(super) thread: JoinHandle<()>,
    pub(super) block: Arc<Block>,
    /// Copies of what it listens on, for a successor.
    pub(super) held: Vec<Socket>,
    /// How many times in a row it has not answered.
    pub(super) missed: u32,
}

/// A worker that ends as soon as nobody passes connections to it any more.
pub(super) struct Leaver {
    pub(super) helm: Helm,
    pub(super) thread: JoinHandle<()>,
    pub(super) block: Arc<Block>,
    pub(super) is_told: bool,
}

/// Workers that are there and have nothing to do yet. Those that are not enlisted end.
pub(crate) struct Recruits(pub(super) Vec<Hand>);

impl Drop for Recruits {
    fn drop(&mut self) {
        for hand in &self.0 {
            hand.place.leave();
            hand.helm.drain();
        }
    }
}

/// Who receives learns how to reach a worker, or why it cannot work.
pub(super) type Started = Receiver<Result<Helm, Error>>;

/// Starts the thread of a worker.
pub(super) fn begin(worker: Worker, config: Config) -> Result<(JoinHandle<()>, Started)> {
    let (report, started) = channel();
    let name = config.cpu.map_or_else(|| "weir".to_owned(), |cpu| format!("weir-{cpu}"));
    let work = move || {
        let ready = report.clone();
        if let Err(error) = worker.run(config, |helm| drop(ready.send(Ok(helm)))) {
            drop(report.send(Err(error)));
        }
    };
    let thread = std::thread::Builder::new().name(name).spawn(work);
    Ok((thread.context("cannot start a worker thread")?, started))
}
