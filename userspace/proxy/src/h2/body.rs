//! The receiving half of a stream, either side: data as the reader takes it, then trailers.
use super::{broken, head};
use crate::{fault::Broken, grpc::is_grpc, half::Source};
use bytes::{Buf as _, Bytes};
use h2::RecvStream;
use std::future::poll_fn;
use std::time::Duration;
use weir_message::Head;
use weir_reactor::{Buf, sleep};

/// How long a stream rests when every buffer of the worker is in use.
pub(super) const SHORTAGE: Duration = Duration::from_millis(1);

/// Receives a body.
pub(super) struct Body {
    stream: RecvStream,
    /// Received, its window not yet given back.
    data: Bytes,
    done: bool,
    /// It is a message of gRPC.
    grpc: bool,
}

impl Body {
    /// The body of a message with this head.
    pub(super) fn new(stream: RecvStream, head: &Head) -> Body {
        let done = stream.is_end_stream();
        Body { stream, data: Bytes::new(), done, grpc: is_grpc(head) }
    }
}

/// A buffer of the worker, as soon as there is one.
pub(super) async fn spare() -> Buf {
    loop {
        match Buf::take() {
            Some(buf) => return buf,
            None => sleep(SHORTAGE).await,
        }
    }
}

impl Source for Body {
    async fn chunk(&mut self) -> Result<Option<Buf>, Broken> {
        while self.data.is_empty() {
            if self.done {
                return Ok(None);
            }
            match poll_fn(|cx| self.stream.poll_data(cx)).await {
                Some(Ok(data)) => self.data = data,
                Some(Err(error)) => return Err(broken(&error)),
                None => self.done = true,
            }
        }
        let mut buf = spare().await;
        let taken = buf.append(&self.data);
        self.data.advance(taken);
        self.stream.flow_control().release_capacity(taken).map_err(|_| Broken::Gone)?;
        self.done |= self.data.is_empty() && self.stream.is_end_stream();
        Ok(Some(buf))
    }

    fn is_ready(&self) -> bool {
        self.done || !self.data.is_empty()
    }

    fn is_done(&self) -> bool {
        self.done && self.data.is_empty()
    }

    async fn trailers(&mut self, into: &mut Head) -> Result<(), Broken> {
        into.clear();
        match poll_fn(|cx| self.stream.poll_trailers(cx)).await {
            Ok(Some(trailers)) => Ok(head::trailers(&trailers, self.grpc, into)?),
            Ok(None) => Ok(()),
            Err(error) => Err(broken(&error)),
        }
    }

    fn take_rest(&mut self) -> Option<Buf> {
        None
    }
}
