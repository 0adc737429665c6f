//! One request over a connection to a target that others use as well: the two halves of its stream.
use super::{body::Body, broken, head, trunk::Lease, writer::Writer};
use crate::{
    fault::{Broken, Fault},
    half::{Answering, Asking, Source},
};
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use std::future::poll_fn;
use std::task::Poll;
use weir_message::{Framing, Head, Method, Request, Response};
use weir_reactor::Buf;

/// A place on a connection for one request.
pub(crate) struct Call {
    requests: SendRequest<Bytes>,
    lease: Lease,
}

/// Sends the rest of the request.
pub(crate) struct Upload {
    writer: Writer,
}

/// Receives the answer.
pub(crate) struct Answer {
    coming: ResponseFuture,
    body: Option<Body>,
    lease: Lease,
}

impl Call {
    pub(super) fn new(requests: SendRequest<Bytes>, lease: Lease) -> Call {
        Call { requests, lease }
    }

    /// Sends the head. What is to become a tunnel stays open behind it, if the target knows of such.
    pub(crate) fn begin(self, request: &Request, tunnel: bool) -> Result<(Answer, Upload), Fault> {
        let Call { mut requests, lease } = self;
        if tunnel && !requests.is_extended_connect_protocol_enabled() {
            return Err(Fault::NoTunnel);
        }
        let asked = if tunnel { head::connect(request) } else { head::ask(request) };
        let (asked, ended) = (asked.map_err(Fault::Request)?, request.framing.is_empty() && !tunnel);
        // What cannot be sent was not acted on: the connection has ended, or its target has said goodbye.
        let (coming, stream) = requests.send_request(asked, ended).map_err(|_| Fault::UpstreamRefused)?;
        Ok((Answer { coming, body: None, lease }, Upload { writer: Writer::new(stream, ended) }))
    }
}

impl Asking for Upload {
    async fn chunk(&mut self, data: Buf, more: bool) -> Result<(), Broken> {
        self.writer.chunk(&data, more).await
    }

    async fn flush(&mut self) -> Result<(), Broken> {
        self.writer.flush().await
    }

    async fn end(&mut self, trailers: Option<&Head>) -> Result<(), Broken> {
        self.writer.end(trailers).await
    }
}

impl Answer {
    /// Nothing came in time: whether the connection is to blame must be found out before it is used again.
    pub(crate) fn doubt(&self) {
        self.lease.doubt();
    }
}

impl Answering for Answer {
    async fn head(&mut self, method: Method, response: &mut Response) -> Result<(), Broken> {
        let coming = &mut self.coming;
        let found = poll_fn(|cx| {
            if let Poll::Ready(Some(interim)) = coming.poll_informational(cx) {
                return Poll::Ready(interim.map(|interim| interim.map(|()| None)));
            }
            std::pin::Pin::new(&mut *coming).poll(cx).map_ok(|answer| answer.map(Some))
        })
        .await;
        self.lease.hear();
        let (parts, body) = found.map_err(|error| broken(&error))?.into_parts();
        head::answer(&parts, method, response)?;
        let Some(body) = body.map(|body| Body::new(body, &response.head)) else { return Ok(()) };
        if body.is_done() && response.framing == Framing::UntilClose {
            response.framing = Framing::Length(0);
        }
        self.body = Some(body);
        Ok(())
    }
}

impl Source for Answer {
    async fn chunk(&mut self) -> Result<Option<Buf>, Broken> {
        let Some(body) = &mut self.body else { return Ok(None) };
        let data = body.chunk().await?;
        self.lease.hear();
        Ok(data)
    }

    fn is_ready(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_ready)
    }

    fn is_done(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_done)
    }

    async fn trailers(&mut self, into: &mut Head) -> Result<(), Broken> {
        let Some(body) = &mut self.body else {
            into.clear();
            return Ok(());
        };
        body.trailers(into).await
    }

    fn take_rest(&mut self) -> Option<Buf> {
        None
    }
}
