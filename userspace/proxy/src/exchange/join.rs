//! A WebSocket of which one end or both are streams of HTTP/2 (RFC 8441): bytes both ways until both end.
use crate::{
    fault::Broken,
    half::{Asking, Sink, Source},
    line::Line,
    log::Tally,
    stream::Stream,
    tunnel::{Carriage, both, farewell::Farewell},
};
use std::time::Duration;
use weir_reactor::Buf;

/// Joins a stream of a client and a connection to a target until both directions have ended, one fails, or neither moves
/// for `idle`.
pub(super) async fn run<S: Source, K: Sink>(
    (source, sink): (&mut S, &mut K),
    (up, early): (&Stream, Option<Buf>),
    (line, idle): (&Line, Duration),
    tally: &Tally,
) -> Result<(), Broken> {
    let carriage = Carriage::new(tally);
    let upward = async {
        while let Some(data) = source.chunk().await? {
            carriage.up(data.len());
            up.send(data).await.0?;
        }
        Ok(up.shutdown().await?)
    };
    let downward = async {
        let mut farewell = Farewell::new(line);
        let mut next = early;
        while let Some(data) = farewell.next(next.take(), up).await? {
            carriage.down(data.len());
            sink.chunk(data, false).await?;
        }
        sink.end(None).await
    };
    both(upward, downward, (&line.watch, idle), &carriage).await
}

/// The client's side of a tunnel.
pub(super) enum Down<'a, S, K> {
    /// A connection of its own, and what came on it already.
    Line(&'a Stream, Option<Buf>),
    /// A stream of one.
    Halves(&'a mut S, &'a mut K),
}

/// Joins a client and a stream of a target, as [`run`] does.
pub(super) async fn with_call<S: Source, K: Sink, I: Source, O: Asking>(
    down: Down<'_, S, K>,
    (answer, upload): (&mut I, &mut O),
    (line, idle): (&Line, Duration),
    tally: &Tally,
) -> Result<(), Broken> {
    let carriage = Carriage::new(tally);
    let (plain, mut halves, mut early) = match down {
        Down::Line(plain, early) => (Some(plain), None, early),
        Down::Halves(source, sink) => (None, Some((source, sink)), None),
    };
    let (mut source, mut sink) = match &mut halves {
        Some((source, sink)) => (Some(source), Some(sink)),
        None => (None, None),
    };
    let upward = async {
        loop {
            let data = match (early.take(), plain, &mut source) {
                (Some(early), ..) => Some(early),
                (None, Some(plain), _) => plain.recv().await?,
                (None, None, Some(source)) => source.chunk().await?,
                (None, None, None) => None,
            };
            let Some(data) = data else { return upload.end(None).await };
            carriage.up(data.len());
            upload.chunk(data, false).await?;
        }
    };
    let downward = async {
        let mut farewell = Farewell::new(line);
        while let Some(data) = farewell.piece(answer.chunk()).await? {
            carriage.down(data.len());
            match (plain, &mut sink) {
                (Some(plain), _) => plain.send(data).await.0?,
                (None, Some(sink)) => sink.chunk(data, false).await?,
                (None, None) => {}
            }
        }
        match (plain, &mut sink) {
            (Some(plain), _) => Ok(plain.shutdown().await?),
            (None, Some(sink)) => sink.end(None).await,
            (None, None) => Ok(()),
        }
    };
    both(upward, downward, (&line.watch, idle), &carriage).await
}
