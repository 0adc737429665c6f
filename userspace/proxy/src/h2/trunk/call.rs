//! One request over a connection to a target that others use as well: the two halves of its stream.
use super::{Lease, hold::Hold, mux::Mux};
use crate::{
    fault::{Broken, Fault},
    grpc::is_grpc,
    h2::body::spare,
    half::{Answering, Asking, Source},
};
use std::future::poll_fn;
use std::rc::Rc;
use weir_message::{Framing, Head, Method, Request, Response};
use weir_reactor::Buf;

/// Pieces up to this size may wait for the next.
const HOLD_MAX: usize = 4 * 1024;

/// A place on a connection for one request.
pub(crate) struct Call {
    mux: Rc<Mux>,
    lease: Lease,
}

/// Sends the rest of the request.
pub(crate) struct Upload {
    stream: Hold,
}

/// Receives the answer.
pub(crate) struct Answer {
    stream: Hold,
    lease: Lease,
    /// It is a message of gRPC.
    grpc: bool,
}

impl Call {
    pub(super) fn new(mux: Rc<Mux>, lease: Lease) -> Call {
        Call { mux, lease }
    }

    /// Sends the head. What is to become a tunnel stays open behind it, if the target knows of such.
    pub(crate) fn begin(self, request: &Request, tunnel: bool) -> Result<(Answer, Upload), Fault> {
        let stream = Hold::begin(&self.mux, request, tunnel)?;
        let upload = Upload { stream: stream.share() };
        Ok((Answer { stream, lease: self.lease, grpc: false }, upload))
    }
}

impl Upload {
    async fn send(&mut self, last: bool) -> Result<(), Broken> {
        poll_fn(|cx| self.stream.poll_send(last, cx)).await
    }

    fn is_ended(&self) -> bool {
        self.stream.with(|strand| strand.sending.ended).unwrap_or(true)
    }
}

impl Asking for Upload {
    async fn chunk(&mut self, data: Buf, more: bool) -> Result<(), Broken> {
        if self.is_ended() {
            return Err(Broken::Gone);
        }
        let held = self.stream.with(|strand| {
            strand.sending.held.extend_from_slice(&data);
            strand.sending.held.len()
        });
        drop(data);
        if more && held.is_some_and(|held| held < HOLD_MAX) { Ok(()) } else { self.send(false).await }
    }

    async fn flush(&mut self) -> Result<(), Broken> {
        if self.is_ended() { Ok(()) } else { self.send(false).await }
    }

    async fn end(&mut self, trailers: Option<&Head>) -> Result<(), Broken> {
        if self.is_ended() {
            return Ok(());
        }
        let Some(trailers) = trailers else { return self.send(true).await };
        self.send(false).await?;
        self.stream.send_trailers(trailers);
        Ok(())
    }
}

impl Answer {
    /// Nothing came in time: whether the connection is to blame must be found out before it is used again.
    pub(crate) fn doubt(&self) {
        self.lease.doubt();
    }
}

impl Answering for Answer {
    async fn head(&mut self, _method: Method, response: &mut Response) -> Result<(), Broken> {
        poll_fn(|cx| self.stream.poll(|strand| strand.poll_head(response, cx))).await?;
        self.grpc = is_grpc(&response.head);
        if response.framing == Framing::UntilClose && self.is_done() {
            response.framing = Framing::Length(0);
        }
        Ok(())
    }
}

impl Source for Answer {
    async fn chunk(&mut self) -> Result<Option<Buf>, Broken> {
        if !poll_fn(|cx| self.stream.poll(|strand| strand.poll_data(cx))).await? {
            return Ok(None);
        }
        let mut buf = spare().await;
        if let Some(room) = self.stream.with(|strand| strand.take(&mut buf)).flatten() {
            self.stream.open_window(room);
        }
        Ok(Some(buf))
    }

    fn is_ready(&self) -> bool {
        self.stream.with(|strand| strand.is_over() || strand.has_data()).unwrap_or(true)
    }

    fn is_done(&self) -> bool {
        self.stream.with(|strand| strand.ended && !strand.has_data()).unwrap_or(true)
    }

    async fn trailers(&mut self, into: &mut Head) -> Result<(), Broken> {
        let grpc = self.grpc;
        self.stream.with(|strand| strand.read_trailers(grpc, into)).unwrap_or(Ok(()))
    }

    fn take_rest(&mut self) -> Option<Buf> {
        None
    }
}
