//! HTTP/2 with clients (the connection here, each of its streams an exchange in a task of its own) and with targets.
use crate::{
    exchange::{self, Ends, Setting},
    fault::{Broken, Fault},
    line::Line,
    offence,
    pipe::Pipe,
    snapshot::Snapshot,
    stream::Stream,
    websocket,
};
use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use weir_message::Request;
use weir_meter::{Count, Flood};
use weir_plan::limit::ExchangeLimits;
use weir_reactor::{Buf, nest, spawn};
use weir_wire::Reason;

mod body;
mod credit;
mod down;
mod guard;
mod head;
pub(crate) mod trunk;
mod writer;

use body::Body;
use down::Sender;
use guard::{Alarm, Guarded};

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

type Server = Connection<Guarded, Bytes>;

/// How long a client that was told to go, and has nothing left to wait for, may take to do so.
const FAREWELL: Duration = Duration::from_secs(2);

/// Serves a connection until either side is done with it.
pub(crate) async fn run(line: Rc<Line>, stream: Stream, snapshot: Rc<Snapshot>, early: Option<Buf>) {
    // A connection outlives many plans, so it holds none.
    let Some(listener) = snapshot.listener(&line.gate.bind).cloned() else { return };
    drop(snapshot);
    let limits = &listener.limits;
    let alarm = Rc::<Alarm>::default();
    let guarded = Guarded::new(Pipe::new(stream, early), Rc::clone(&alarm), limits.header_timeout);
    let shaking = builder(limits).handshake(guarded);
    let Ok(Ok(server)) = line.watch.limit(limits.header_timeout, shaking).await else { return };
    line.desk.block.add(Count::H2Connections, 1);
    let mut session = Session { line: &line, server, alarm, leaving: false };
    loop {
        let patience = if session.is_done() { FAREWELL } else { limits.idle_timeout };
        match line.watch.limit(patience, session.next()).await {
            Ok(Ok(Some((request, respond)))) => {
                begin(&line, request, respond);
                if line.requests.get() >= limits.requests_max {
                    session.dismiss();
                }
            }
            Ok(Ok(None)) => return,
            Ok(Err(ending)) => return session.end(ending).await,
            Err(_) if session.server.has_streams() => {}
            Err(_) if session.leaving => return,
            Err(_) => session.dismiss(),
        }
    }
}

type Stranger = (http::Request<h2::RecvStream>, SendResponse<Bytes>);

/// One connection of a client.
struct Session<'a> {
    line: &'a Line,
    server: Server,
    alarm: Rc<Alarm>,
    /// The client was told to go.
    leaving: bool,
}

/// Why a connection does not go on.
enum Ending {
    Flood(Flood),
    Error(h2::Error),
}

impl Session<'_> {
    /// The next stream, while the connection is kept going; none at its end. When draining begins, the client is told.
    async fn next(&mut self) -> Result<Option<Stranger>, Ending> {
        poll_fn(|cx| {
            if self.line.is_draining() {
                self.dismiss();
            }
            let polled = self.server.poll_accept(cx);
            self.line.desk.block.add(Count::H2Resets, self.alarm.take_gave_up());
            if let Some(flood) = self.alarm.flood() {
                return Poll::Ready(Err(Ending::Flood(flood)));
            }
            polled.map(|accepted| accepted.transpose().map_err(Ending::Error))
        })
        .await
    }

    fn is_done(&self) -> bool {
        self.leaving && !self.server.has_streams()
    }

    /// RFC 9113, section 6.8: says goodbye twice, so that no stream that is on its way is lost.
    fn dismiss(&mut self) {
        if !self.leaving {
            self.leaving = true;
            self.line.desk.block.add(Count::H2Farewells, 1);
            self.server.graceful_shutdown();
        }
    }

    /// Reports what the client did wrong; one that floods is told why it must go.
    async fn end(mut self, ending: Ending) {
        match ending {
            Ending::Flood(flood) => {
                self.line.desk.block.flood(flood);
                self.line.desk.block.add(Count::H2Farewells, 1);
                offence::report(self.line, Reason::H2Abuse);
                self.server.abrupt_shutdown(h2::Reason::ENHANCE_YOUR_CALM);
                let closed = poll_fn(|cx| self.server.poll_closed(cx));
                // Whether it listens is its own affair.
                drop(self.line.watch.limit(FAREWELL, closed).await);
            }
            Ending::Error(error) if !error.is_library() => {}
            Ending::Error(error) if error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM) => {
                self.line.desk.block.flood(Flood::Other);
                offence::report(self.line, Reason::H2Abuse);
            }
            Ending::Error(_) => offence::report(self.line, Reason::BadFraming),
        }
    }
}

fn builder(limits: &ExchangeLimits) -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_connect_protocol()
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

/// Gives a stream a task of its own.
fn begin(connection: &Rc<Line>, request: http::Request<h2::RecvStream>, respond: SendResponse<Bytes>) {
    let line = connection.branch();
    connection.desk.block.add(Count::H2Streams, 1);
    connection.requests.set(connection.requests.get().saturating_add(1));
    // A stream's state is large and lives briefly, so it lies in memory that was used before.
    spawn(nest(async move { one(&line, request, respond).await }));
}

/// One exchange.
async fn one(line: &Line, request: http::Request<h2::RecvStream>, respond: SendResponse<Bytes>) {
    let snapshot = line.snapshot();
    let Some(listener) = snapshot.listener(&line.gate.bind) else { return };
    let mut scratch = line.desk.borrow_scratch();
    let (parts, body) = request.into_parts();
    let rules = snapshot.rules(listener);
    let head = head::read(&parts, body.is_end_stream(), &rules, &mut scratch.request).map_err(Fault::Request);
    let head = head.and_then(|()| websocket_key(line, &mut scratch.request));
    let mut receiver = Body::new(body, &scratch.request.head);
    let mut sender = Sender::new(respond);
    let setting = Setting { line, snapshot: &snapshot, listener };
    let mut ends = exchange::run(setting, &mut scratch, (&mut receiver, &mut sender), head).await;
    drop(snapshot);
    if ends == Ends::Switch {
        ends = exchange::go_on(line, scratch, (&mut receiver, &mut sender)).await;
    } else {
        line.desk.return_scratch(scratch);
    }
    if matches!(ends, Ends::Cut | Ends::Abort) {
        sender.reset();
    }
}

/// RFC 8441, section 5.1, has no key; targets of HTTP/1 want one (RFC 6455, section 4.1).
fn websocket_key(line: &Line, request: &mut Request) -> Result<(), Fault> {
    if request.upgrade.is_none() {
        return Ok(());
    }
    let draw = || line.desk.ids.borrow_mut().random();
    let key = websocket::key([draw(), draw()]);
    request.head.set("Sec-WebSocket-Key", &key).map_err(Fault::Request)
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
