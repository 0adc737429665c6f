//! Bodies on their way through, piece by piece: one buffer is in hand at a time, so a slow reader slows the writer.
use super::replay::Replay;
use crate::{
    fault::{Broken, Fault},
    h1::splice,
    half::{Asking, Sink, Source},
    log::Tally,
    watch::{Elapsed, Watch},
};
use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};
use weir_message::Head;
use weir_reactor::{Pump, now, unless};

/// What bounds an upload.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// The largest body.
    pub(super) body_max: Option<u64>,
    /// The longest wait for the client.
    pub(super) idle: Duration,
    /// The slowest the body may arrive, in bytes a second. 0 is no limit.
    pub(super) per_second_min: u64,
    /// The client may wait for an interim answer before it begins.
    pub(super) may_wait: bool,
}

/// Over how long the speed of a body is measured.
const PACE_WINDOW: Duration = Duration::from_secs(10);

/// How much longer a client may be waited for. Each byte earns the time it may take, up to the window, so that neither
/// a trickle nor a fast beginning lets a body take for ever. Only time spent waiting for the client counts.
struct Pace {
    per_second_min: u64,
    credit: Duration,
}

impl Pace {
    fn new(per_second_min: u64) -> Pace {
        Pace { per_second_min, credit: PACE_WINDOW }
    }

    fn patience(&self, idle: Duration) -> Duration {
        if self.per_second_min == 0 { idle } else { idle.min(self.credit) }
    }

    fn received(&mut self, bytes: usize, waited: Duration) {
        let earned_ms = (bytes as u64).saturating_mul(1000).checked_div(self.per_second_min).unwrap_or(0);
        let credit = self.credit.saturating_sub(waited).saturating_add(Duration::from_millis(earned_ms));
        self.credit = credit.min(PACE_WINDOW);
    }
}

/// How far the bodies have come, for those who wait for the other one.
pub(super) struct Progress<'a> {
    /// Something of the body was taken from the client and not kept: the request cannot be sent again.
    pub(super) spent: Cell<bool>,
    /// All of the body was sent.
    pub(super) done: Cell<bool>,
    /// When a piece of either was last sent.
    pub(super) moved: Cell<Instant>,
    /// Where bytes and moments are noted.
    pub(super) tally: &'a Tally,
}

impl Progress<'_> {
    pub(super) fn new(done: bool, tally: &Tally) -> Progress<'_> {
        Progress { spent: Cell::new(false), done: Cell::new(done), moved: Cell::new(now()), tally }
    }
}

/// Sends the body of a request to the upstream.
///
/// A failure of the upstream's connection ends it without an error: the answer may be on its way nevertheless.
pub(super) async fn upload<S: Source, O: Asking>(
    (source, replay): (&mut S, &mut Replay),
    (out, trailers): (&mut O, &mut Head),
    watch: &Watch,
    bounds: Bounds,
    progress: &Progress<'_>,
) -> Result<(), Fault> {
    if !replay.send(out, (watch, bounds.idle)).await? {
        return Ok(());
    }
    let mut left = bounds.body_max.unwrap_or(u64::MAX).saturating_sub(replay.len() as u64);
    let mut pace = Pace::new(bounds.per_second_min);
    let mut may_wait = bounds.may_wait;
    if !source.is_ready() && out.flush().await.is_err() {
        return Ok(());
    }
    loop {
        let patience = if may_wait { bounds.idle } else { pace.patience(bounds.idle) };
        let begun = now();
        let piece = while_moving((watch, patience), progress, async || source.chunk().await).await;
        let piece = piece.unwrap_or(Err(Broken::Slow));
        let Some(data) = piece.map_err(Broken::of_client)? else { break };
        replay.keep(&data);
        progress.spent.set(!replay.is_whole());
        if !std::mem::take(&mut may_wait) {
            pace.received(data.len(), now().saturating_duration_since(begun));
        }
        left = left.checked_sub(data.len() as u64).ok_or(Fault::BodyTooLarge)?;
        progress.tally.received(data.len());
        let more = source.is_ready();
        if watch.limit(bounds.idle, out.chunk(data, more)).await.map_err(|_| Fault::UpstreamSlow)?.is_err() {
            return Ok(());
        }
        progress.moved.set(now());
    }
    if !replay.is_ended() {
        let reading = watch.limit(bounds.idle, source.trailers(trailers)).await;
        reading.unwrap_or(Err(Broken::Slow)).map_err(Broken::of_client)?;
        replay.end();
    }
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
    progress: &Progress<'_>,
) -> Result<(), Fault> {
    if !inflow.is_ready() {
        to_client(watch.limit(idle, sink.flush()).await)?;
    }
    let mut splice = Pump::default();
    loop {
        if let Some(bytes) = past(&mut splice, (inflow, sink), (watch, idle), progress).await? {
            progress.tally.sent(bytes);
            progress.moved.set(now());
            continue;
        }
        let wait = async || unless_gone(sink, progress, inflow.chunk()).await;
        let piece = while_moving((watch, idle), progress, wait).await;
        let piece = piece.unwrap_or(Err(Fault::UpstreamSlow))?;
        let Some(data) = piece.map_err(Broken::of_upstream)? else { break };
        let more = inflow.is_ready();
        progress.tally.sent(data.len());
        to_client(watch.limit(idle, sink.chunk(data, more)).await)?;
        progress.moved.set(now());
    }
    inflow.trailers(trailers).await.map_err(Broken::of_upstream)?;
    let trailers = Some(&*trailers).filter(|trailers| !trailers.is_empty());
    to_client(watch.limit(idle, sink.end(trailers)).await)
}

/// Moves a piece of the body past user space, if that can be: the number of bytes.
async fn past<I: Source, K: Sink>(
    pump: &mut Pump,
    (source, sink): (&mut I, &mut K),
    (watch, idle): (&Watch, Duration),
    progress: &Progress<'_>,
) -> Result<Option<usize>, Fault> {
    let (Some(inflow), Some(outflow)) = (source.inflow(), sink.outflow()) else { return Ok(None) };
    if !splice::is_worth_it(pump, inflow, outflow) {
        return Ok(None);
    }
    to_client(watch.limit(idle, outflow.settle()).await)?;
    let step = async || splice::step(pump, inflow, outflow).await;
    let step = while_moving((watch, idle), progress, step).await.unwrap_or(Err(Broken::Slow));
    // Bytes that were received and not sent tell who failed.
    let of = if pump.is_loaded() { Broken::of_client } else { Broken::of_upstream };
    step.map_err(of)
}

/// Waits for one direction, which may rest for as long as the other moves.
async fn while_moving<T>(
    (watch, limit): (&Watch, Duration),
    progress: &Progress<'_>,
    mut step: impl AsyncFnMut() -> T,
) -> Result<T, Elapsed> {
    loop {
        let seen = progress.moved.get();
        match watch.limit(limit, step()).await {
            Err(Elapsed) if progress.moved.get() > seen && !watch.is_over() => {}
            done => return done,
        }
    }
}

/// Waits for the upstream, unless the client goes away first: then nobody wants what is waited for.
pub(super) fn unless_gone<K: Sink, T>(
    sink: &mut K,
    progress: &Progress<'_>,
    waiting: impl Future<Output = Result<T, Broken>>,
) -> impl Future<Output = Result<Result<T, Broken>, Fault>> {
    unless(move |cx| sink.poll_gone(cx, !progress.done.get()).map(|()| Fault::ClientGone), waiting)
}

/// What became of bytes for the client.
fn to_client(sent: Result<Result<(), Broken>, Elapsed>) -> Result<(), Fault> {
    sent.unwrap_or(Err(Broken::Slow)).map_err(Broken::of_client)
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
            // Whoever has sent all may leave from now on, or has left already.
            return answer.as_mut().poll(cx);
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(60);

    fn after(pieces: &[(usize, u64)]) -> Duration {
        let mut pace = Pace::new(1024);
        for (bytes, waited_s) in pieces {
            pace.received(*bytes, Duration::from_secs(*waited_s));
        }
        pace.patience(IDLE)
    }

    #[test]
    fn d4_a_trickle_uses_its_time_up_and_a_fast_beginning_earns_no_more_than_the_window() {
        assert_eq!(after(&[]), PACE_WINDOW);
        assert_eq!(after(&[(1, 4), (1, 4)]), Duration::from_secs(2));
        assert_eq!(after(&[(1, 5), (1, 5)]), Duration::ZERO);
        assert_eq!(after(&[(1 << 30, 0), (1, 9)]), Duration::from_secs(1));
        assert_eq!(after(&[(5 * 1024, 5); 10]), PACE_WINDOW);
        assert_eq!(Pace::new(0).patience(IDLE), IDLE);
    }
}
