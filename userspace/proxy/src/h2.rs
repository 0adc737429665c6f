//! HTTP/2 with clients (the connection here, each of its streams an exchange in a task of its own) and with targets.
use crate::{
    exchange::{self, Ends, Setting},
    fault::{Broken, Fault},
    line::Line,
    pipe::Pipe,
    snapshot::Snapshot,
    stream::Stream,
};
use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use weir_plan::limit::ExchangeLimits;
use weir_reactor::{Buf, spawn};
use weir_wire::Reason;

mod body;
mod down;
mod head;
pub(crate) mod trunk;
pub(crate) mod up;
mod writer;

use body::Body;
use down::Sender;

/// What a client sends first when it knows that HTTP/2 is spoken (RFC 9113, section 3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The window of one stream: what a client may send ahead of the upstream.
const STREAM_WINDOW: u32 = 64 * 1024;
/// The window of a connection, shared by its streams.
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// Bytes of answers that a connection holds for a client that does not read.
const SEND_BUFFER_MAX: usize = 128 * 1024;
/// Streams that a client has reset and that are still remembered, and those it reset before they were looked at.
const RESETS_MAX: usize = 32;
/// Streams that we had to reset because of what the client sent; after these it is told to go.
const OUR_RESETS_MAX: usize = 128;

type Server = Connection<Pipe, Bytes>;

/// Serves a connection until either side is done with it.
pub(crate) async fn run(line: Rc<Line>, stream: Stream, snapshot: Rc<Snapshot>, early: Option<Buf>) {
    let Some(listener) = snapshot.listener(&line.gate.bind) else { return };
    let limits = &listener.limits;
    let shaking = builder(limits).handshake(Pipe::new(stream, early));
    let Ok(Ok(mut server)) = line.watch.limit(limits.header_timeout, shaking).await else { return };
    loop {
        match line.watch.limit(limits.idle_timeout, accept(&line, &mut server)).await {
            Ok(Some(Ok((request, respond)))) => begin(&line, request, respond),
            Ok(Some(Err(error))) => {
                if error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM) && error.is_library() {
                    line.desk.block.refuse(Reason::H2Abuse as u8);
                }
                return;
            }
            Ok(None) => return,
            Err(_) if server.has_streams() => {}
            Err(_) => server.graceful_shutdown(),
        }
    }
}

fn builder(limits: &ExchangeLimits) -> Builder {
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(limits.streams_max)
        .max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX))
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER_MAX)
        .max_concurrent_reset_streams(RESETS_MAX)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_local_error_reset_streams(Some(OUR_RESETS_MAX));
    builder
}

type Accepted = Result<(http::Request<h2::RecvStream>, SendResponse<Bytes>), h2::Error>;

/// The next stream, while the connection is kept going. When the worker begins to drain, the client is told.
async fn accept(line: &Line, server: &mut Server) -> Option<Accepted> {
    let mut told = false;
    poll_fn(|cx| {
        if line.is_draining() && !told {
            told = true;
            server.graceful_shutdown();
        }
        server.poll_accept(cx)
    })
    .await
}

/// Gives a stream a task of its own.
fn begin(connection: &Rc<Line>, request: http::Request<h2::RecvStream>, respond: SendResponse<Bytes>) {
    let line = connection.branch();
    connection.requests.set(connection.requests.get().saturating_add(1));
    spawn(async move { one(&line, request, respond).await });
}

/// One exchange.
async fn one(line: &Line, request: http::Request<h2::RecvStream>, respond: SendResponse<Bytes>) {
    let snapshot = line.snapshot();
    let Some(listener) = snapshot.listener(&line.gate.bind) else { return };
    let mut scratch = line.desk.borrow_scratch();
    let (parts, body) = request.into_parts();
    let rules = snapshot.rules(listener);
    let head = head::read(&parts, body.is_end_stream(), &rules, &mut scratch.request).map_err(Fault::Request);
    let mut receiver = Body::new(body, &scratch.request.head);
    let mut sender = Sender::new(respond);
    let setting = Setting { line, snapshot: &snapshot, listener };
    let ends = exchange::run(setting, &mut scratch, (&mut receiver, &mut sender), head).await;
    if ends == Ends::Abort {
        sender.reset();
    }
    line.desk.return_scratch(scratch);
}

/// Whether a connection begins as HTTP/2 does. Nothing is decided before enough bytes are there.
pub(crate) fn is_preface(start: &[u8]) -> Poll<bool> {
    match start.get(..PREFACE.len()) {
        Some(whole) => Poll::Ready(whole == PREFACE),
        None if PREFACE.starts_with(start) => Poll::Pending,
        None => Poll::Ready(false),
    }
}

/// What an error of a stream means.
fn broken(error: &h2::Error) -> Broken {
    // RFC 9113, section 8.7. A stream that a GOAWAY names as one the peer will not act on is reported as that GOAWAY.
    let unprocessed = error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM);
    if error.is_remote() && unprocessed { Broken::Refused } else { Broken::Gone }
}
