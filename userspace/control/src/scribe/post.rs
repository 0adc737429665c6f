//! Spans on their way to a collector of traces: a request of HTTP for all that waits.

use super::Collector;
use crate::fetch::{Fetcher, Unfetched};
use std::io::{Error, Result};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use weir_meter::log::envelope;

/// How often a collector that does not answer is asked, and how long it is left alone in between, each time twice as long. What
/// it has not taken then is lost: it makes room for what comes.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);

/// The way to a collector. It has a runtime of its own, because nobody else waits for the thread that sends.
#[derive(Debug)]
pub(super) struct Post {
    collector: Collector,
    runtime: Runtime,
    fetcher: Fetcher,
}

impl Post {
    pub(super) fn new(collector: &Collector) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let fetcher = Fetcher::new(collector.roots.clone()).map_err(Error::other)?;
        Ok(Self { collector: collector.clone(), runtime, fetcher })
    }

    /// Sends sheets of whole spans, and says how many bytes that took.
    pub(super) fn send(&mut self, sheets: &[&[u8]]) -> Result<u64> {
        let body = self.wrapped(sheets);
        let length = body.len() as u64;
        let Self { collector, runtime, fetcher } = self;
        runtime.block_on(async {
            let mut pause = PAUSE;
            for left in (0..TRIES).rev() {
                match fetcher.post(&collector.url, body.clone()).await {
                    Ok(()) => return Ok(length),
                    Err(error) if left == 0 || !is_passing(&error) => return Err(Error::other(error)),
                    Err(_) => tokio::time::sleep(pause).await,
                }
                pause *= 2;
            }
            Ok(length)
        })
    }

    fn wrapped(&self, sheets: &[&[u8]]) -> Vec<u8> {
        let Collector { dialect, service, version, .. } = &self.collector;
        let (mut body, tail) = envelope(*dialect, service, version);
        let spans = sheets.iter().flat_map(|sheet| sheet.split(|byte| *byte == b'\n'));
        for (at, span) in spans.filter(|span| !span.is_empty()).enumerate() {
            if at > 0 {
                body.push(b',');
            }
            body.extend_from_slice(span);
        }
        body.extend_from_slice(tail);
        body
    }
}

/// Whether the same may do a moment later: nobody listens, or the collector has too much to do. What it does not understand it
/// will not understand the next time.
fn is_passing(error: &Unfetched) -> bool {
    match error {
        Unfetched::Connect(_) | Unfetched::Slow | Unfetched::Broken(_) => true,
        Unfetched::Status(status) => matches!(status, 429 | 502..=504),
        _ => false,
    }
}
