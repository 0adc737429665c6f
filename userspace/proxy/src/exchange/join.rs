//! A WebSocket between a stream of a client and a connection to a target (RFC 8441): bytes both ways until both end.
use crate::{
    fault::Broken,
    half::{Sink, Source},
    stream::Stream,
    tunnel::{Carried, both},
    watch::Watch,
};
use std::cell::Cell;
use std::time::Duration;
use weir_reactor::{Buf, now};

/// Joins the two until both directions have ended, one fails, or neither moves for `idle`.
pub(super) async fn run<S: Source, K: Sink>(
    (source, sink): (&mut S, &mut K),
    (up, early): (&Stream, Option<Buf>),
    (watch, idle): (&Watch, Duration),
) -> (Carried, Result<(), Broken>) {
    let (sent_up, sent_down, moved) = (Cell::new(0), Cell::new(0), Cell::new(now()));
    let upward = async {
        while let Some(data) = source.chunk().await? {
            sent_up.set(sent_up.get() + data.len() as u64);
            moved.set(now());
            up.send(data).await.0?;
        }
        Ok(up.shutdown().await?)
    };
    let downward = async {
        let mut next = early;
        loop {
            let data = match next.take() {
                Some(data) => data,
                None => match up.recv().await? {
                    Some(data) => data,
                    None => return sink.end(None).await,
                },
            };
            sent_down.set(sent_down.get() + data.len() as u64);
            moved.set(now());
            sink.chunk(data, false).await?;
        }
    };
    let result = both(upward, downward, watch, idle, &moved).await;
    (Carried { up: sent_up.get(), down: sent_down.get() }, result)
}
