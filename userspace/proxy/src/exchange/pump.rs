//! Bodies on their way through, piece by piece: one buffer is in hand at a time, so a slow reader slows the writer.
use crate::{
    fault::{Broken, Fault},
    half::{Asking, Sink, Source},
    log::Tally,
    watch::Watch,
};
use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};
use weir_message::Head;
use weir_reactor::now;

/// What bounds an upload.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// The largest body.
    pub(super) body_max: Option<u64>,
    /// The longest wait for the client.
    pub(super) idle: Duration,
}

/// How far an upload has come, for those who wait for its answer.
pub(super) struct Progress<'a> {
    /// Something of the body was taken from the client: the request cannot be sent again.
    pub(super) begun: Cell<bool>,
    /// All of the body was sent.
    pub(super) done: Cell<bool>,
    /// When a piece was last sent.
    pub(super) moved: Cell<Instant>,
    /// Where bytes and moments are noted.
    pub(super) tally: &'a Tally,
}

impl Progress<'_> {
    pub(super) fn new(done: bool, tally: &Tally) -> Progress<'_> {
        Progress { begun: Cell::new(false), done: Cell::new(done), moved: Cell::new(now()), tally }
    }
}

/// Sends the body of a request to the upstream.
///
/// A failure of the upstream's connection ends it without an error: the answer may be on its way nevertheless.
pub(super) async fn upload<S: Source, O: Asking>(
    source: &mut S,
    (out, trailers): (&mut O, &mut Head),
    watch: &Watch,
    bounds: Bounds,
    progress: &Progress<'_>,
) -> Result<(), Fault> {
    let mut left = bounds.body_max.unwrap_or(u64::MAX);
    if !source.is_ready() && out.flush().await.is_err() {
        return Ok(());
    }
    loop {
        let piece = watch.limit(bounds.idle, source.chunk()).await.unwrap_or(Err(Broken::Slow));
        let Some(data) = piece.map_err(Broken::of_client)? else { break };
        progress.begun.set(true);
        left = left.checked_sub(data.len() as u64).ok_or(Fault::BodyTooLarge)?;
        progress.tally.received(data.len());
        let more = source.is_ready();
        if out.chunk(data, more).await.is_err() {
            return Ok(());
        }
        progress.moved.set(now());
    }
    watch
        .limit(bounds.idle, source.trailers(trailers))
        .await
        .unwrap_or(Err(Broken::Slow))
        .map_err(Broken::of_client)?;
    let trailers = Some(&*trailers).filter(|trailers| !trailers.is_empty());
    if out.end(trailers).await.is_ok() {
        progress.done.set(true);
        progress.moved.set(now());
    }
    Ok(())
}

/// Sends the body of an answer to the client.
pub(super) async fn download<I: Source, K: Sink>(
    inflow: &mut I,
    sink: &mut K,
    trailers: &mut Head,
    (watch, idle): (&Watch, Duration),
    tally: &Tally,
) -> Result<(), Fault> {
    if !inflow.is_ready() {
        to_client(watch, idle, sink.flush()).await?;
    }
    loop {
        let piece = watch.limit(idle, inflow.chunk()).await.unwrap_or(Err(Broken::Slow));
        let Some(data) = piece.map_err(Broken::of_upstream)? else { break };
        let more = inflow.is_ready();
        tally.sent(data.len());
        to_client(watch, idle, sink.chunk(data, more)).await?;
    }
    inflow.trailers(trailers).await.map_err(Broken::of_upstream)?;
    let trailers = Some(&*trailers).filter(|trailers| !trailers.is_empty());
    to_client(watch, idle, sink.end(trailers)).await
}

async fn to_client(
    watch: &Watch,
    idle: Duration,
    sending: impl Future<Output = Result<(), Broken>>,
) -> Result<(), Fault> {
    watch.limit(idle, sending).await.unwrap_or(Err(Broken::Slow)).map_err(Broken::of_client)
}

/// Runs an upload and the wait for its answer together. The answer decides: once it is complete, what is left of the
/// upload is not wanted. An upload that fails on the client's side ends both.
pub(super) async fn both(
    upload: impl Future<Output = Result<(), Fault>>,
    answer: impl Future<Output = Result<(), Fault>>,
) -> Result<(), Fault> {
    let (mut upload, mut answer) = (pin!(upload), pin!(answer));
    let mut uploading = true;
    poll_fn(|cx| {
        if let Poll::Ready(done) = answer.as_mut().poll(cx) {
            return Poll::Ready(done);
        }
        if uploading && let Poll::Ready(done) = upload.as_mut().poll(cx) {
            uploading = false;
            done?;
        }
        Poll::Pending
    })
    .await
}
