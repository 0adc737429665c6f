//! The end of a WebSocket whose connection is about to be cut: 1001 to the client, between two frames (RFC 6455, section
//! 7.4.1), and nothing more after that.
use crate::{frames::Frames, late::Late, line::Line, stream::Stream};
use std::future::{poll_fn, ready};
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;
use weir_reactor::{Buf, now};

/// How long a client is given to say goodbye before it is cut off.
const LEAD: Duration = Duration::from_secs(1);

/// What comes from a target, up to the end that a client is told.
pub(crate) struct Farewell<'l> {
    line: &'l Line,
    frames: Frames,
    late: Late,
    said: bool,
}

impl<'l> Farewell<'l> {
    pub(crate) fn new(line: &'l Line) -> Farewell<'l> {
        Farewell { line, frames: Frames::default(), late: Late::default(), said: false }
    }

    /// What the client is sent next: what was received `early`, what comes from the target, or that we are going away.
    /// Nothing at the end of either.
    pub(crate) async fn next(&mut self, early: Option<Buf>, up: &Stream) -> io::Result<Option<Buf>> {
        match early {
            Some(early) => self.piece(ready(Ok(Some(early)))).await,
            None => self.piece(up.recv()).await,
        }
    }

    /// The same of whatever the target is heard by.
    pub(crate) async fn piece<E: From<io::Error>>(
        &mut self,
        receiving: impl Future<Output = Result<Option<Buf>, E>>,
    ) -> Result<Option<Buf>, E> {
        if self.said {
            return Ok(None);
        }
        let mut receiving = pin!(receiving);
        let news = poll_fn(|cx| {
            if self.frames.may_end() && self.poll_time(cx).is_ready() {
                self.said = true;
                return Poll::Ready(goodbye().map_err(E::from));
            }
            receiving.as_mut().poll(cx)
        })
        .await?;
        if let Some(news) = &news {
            self.frames.pass(news);
        }
        Ok(news)
    }

    /// Ready when it is time to go.
    fn poll_time(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let line = self.line;
        self.late.poll(&line.desk, cx, || {
            let until = line.until()?;
            Some(until - LEAD.min(until.saturating_duration_since(now()) / 4))
        })
    }
}

fn goodbye() -> io::Result<Option<Buf>> {
    let mut buf = Buf::take().ok_or(io::ErrorKind::OutOfMemory)?;
    buf.append(&Frames::GOING_AWAY);
    Ok(Some(buf))
}
