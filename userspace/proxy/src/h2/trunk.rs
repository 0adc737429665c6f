//! The multiplexed connections of one worker to one target: opened when those there are have no room, watched while
//! they live, and closed when nobody has needed them for long.
use super::up::Call;
use crate::{
    fault::Fault,
    pipe::Pipe,
    stream::Stream,
    upstream::{Permit, Purse},
};
use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use h2::{Ping, PingPong};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use weir_plan::upstream::KeepAlive;
use weir_reactor::{Sleep, now, sleep, spawn};

/// Streams at once on one connection, if the target allows as many.
const STREAMS_MAX: u32 = 100;
/// The window of one stream: what a target may send ahead of its client.
const STREAM_WINDOW: u32 = 64 * 1024;
/// The window of a connection: a client that does not read may not hold up the others.
const CONNECTION_WINDOW: u32 = STREAMS_MAX * STREAM_WINDOW;
/// Bytes of requests that a connection holds for a target that does not read.
const SEND_BUFFER_MAX: usize = 128 * 1024;
/// The largest head of an answer, as it is counted by HTTP/2.
const HEAD_MAX: u32 = 64 * 1024;
/// A connection that was silent for this long is asked whether it lives when the next request uses it.
const SILENCE: Duration = Duration::from_secs(10);
/// How long the answer to that may take.
const PONG_WAIT: Duration = Duration::from_secs(5);

/// The connections to one target.
#[derive(Default)]
pub(crate) struct Trunks {
    open: RefCell<Vec<Rc<Trunk>>>,
    opening: Cell<bool>,
    waiting: RefCell<VecDeque<(u64, Waker)>>,
    arrivals: Cell<u64>,
}

/// One connection.
struct Trunk {
    requests: RefCell<SendRequest<Bytes>>,
    streams: Cell<u32>,
    served: Cell<u32>,
    idle_since: Cell<Instant>,
    life: Rc<Life>,
}

/// What is known about whether a connection lives.
struct Life {
    heard: Cell<Instant>,
    /// The target is to be asked.
    ask: Cell<bool>,
    /// It gets no new request before it has answered.
    doubted: Cell<bool>,
    ended: Cell<bool>,
    driver: RefCell<Option<Waker>>,
}

/// One request's place on a connection.
pub(crate) struct Lease {
    trunk: Rc<Trunk>,
    trunks: Rc<Trunks>,
}

/// A connection that is being opened; others wait for it.
pub(crate) struct Opening(Rc<Trunks>);

/// What there is for a request.
pub(crate) enum Room {
    /// A place on a connection.
    Call(Call),
    /// None; a connection may be opened.
    Open(Opening),
}

impl Trunks {
    /// A place on a connection, or the permission to open one. Waits while neither is to be had.
    pub(crate) async fn room(self: &Rc<Self>, keep: &KeepAlive, pending: &Rc<Purse>) -> Result<Room, Fault> {
        let mut turn = Turn { trunks: self, number: None, permit: None };
        poll_fn(|cx| {
            if let Some(room) = self.find(keep) {
                turn.leave();
                return Poll::Ready(Ok(room));
            }
            if turn.wait(cx.waker(), pending) { Poll::Pending } else { Poll::Ready(Err(Fault::UpstreamFull)) }
        })
        .await
    }

    /// A place on the first connection that has one, else the permission to open another.
    fn find(self: &Rc<Self>, keep: &KeepAlive) -> Option<Room> {
        let mut open = self.open.borrow_mut();
        open.retain(|trunk| trunk.is_good(keep));
        if let Some(trunk) = open.iter().find(|trunk| trunk.has_room()) {
            return Some(Room::Call(trunk.lease(self)));
        }
        if self.opening.get() || open.len() >= keep.connections_max.max(1) as usize {
            return None;
        }
        self.opening.set(true);
        Some(Room::Open(Opening(Rc::clone(self))))
    }

    /// Closes what has been idle for too long.
    pub(crate) fn sweep(&self, keep: &KeepAlive) {
        self.open.borrow_mut().retain(|trunk| {
            let idle = now().saturating_duration_since(trunk.idle_since.get());
            trunk.is_good(keep) && (trunk.streams.get() > 0 || idle < keep.idle)
        });
    }

    fn wake_next(&self) {
        let next = self.waiting.borrow_mut().pop_front();
        next.into_iter().for_each(|(_, waker)| waker.wake());
    }
}

/// One request's place in the queue for a place on a connection.
struct Turn<'a> {
    trunks: &'a Trunks,
    number: Option<u64>,
    permit: Option<Permit>,
}

impl Turn<'_> {
    /// Waits to be woken. False if too many wait already.
    fn wait(&mut self, waker: &Waker, pending: &Rc<Purse>) -> bool {
        let mut waiting = self.trunks.waiting.borrow_mut();
        if let Some(known) = waiting.iter_mut().find(|(number, _)| Some(*number) == self.number) {
            known.1.clone_from(waker);
            return true;
        }
        match self.number {
            // It was woken, and somebody else was faster.
            Some(number) => waiting.push_front((number, waker.clone())),
            None => {
                self.permit = pending.take();
                if self.permit.is_none() {
                    return false;
                }
                let number = self.trunks.arrivals.get();
                self.trunks.arrivals.set(number.wrapping_add(1));
                self.number = Some(number);
                waiting.push_back((number, waker.clone()));
            }
        }
        true
    }

    /// Leaves the queue with what it waited for.
    fn leave(&mut self) {
        let number = self.number.take();
        self.trunks.waiting.borrow_mut().retain(|(waiting, _)| Some(*waiting) != number);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let before = self.trunks.waiting.borrow().len();
        self.trunks.waiting.borrow_mut().retain(|(waiting, _)| *waiting != number);
        if self.trunks.waiting.borrow().len() == before {
            // It was woken and gives up: what it was woken for is the next one's.
            self.trunks.wake_next();
        }
    }
}

impl Opening {
    /// Begins HTTP/2 on a connection and takes the first place on it.
    pub(crate) async fn begin(self, stream: Stream, permit: Permit) -> io::Result<Call> {
        let mut builder = Builder::new();
        builder
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_max_send_streams(0)
            .max_header_list_size(HEAD_MAX)
            .max_send_buffer_size(SEND_BUFFER_MAX);
        let (requests, mut connection) =
            builder.handshake::<_, Bytes>(Pipe::new(stream, None)).await.map_err(io::Error::other)?;
        // How many streams the target allows stands in its settings, with which it must begin.
        poll_fn(|cx| match Pin::new(&mut connection).poll(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(io::Error::other(error))),
            Poll::Ready(Ok(())) => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            Poll::Pending if requests.current_max_send_streams() > 0 => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        })
        .await?;
        let life = Rc::new(Life {
            heard: Cell::new(now()),
            ask: Cell::new(false),
            doubted: Cell::new(false),
            ended: Cell::new(false),
            driver: RefCell::new(None),
        });
        let pings = connection.ping_pong();
        spawn(drive(connection, pings, Rc::clone(&life), permit));
        let trunk = Rc::new(Trunk {
            requests: RefCell::new(requests),
            streams: Cell::new(0),
            served: Cell::new(0),
            idle_since: Cell::new(now()),
            life,
        });
        let call = trunk.lease(&self.0);
        self.0.open.borrow_mut().push(trunk);
        Ok(call)
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.0.opening.set(false);
        let waiting = self.0.waiting.borrow().len();
        for _ in 0..waiting {
            self.0.wake_next();
        }
    }
}

impl Trunk {
    fn lease(self: &Rc<Self>, trunks: &Rc<Trunks>) -> Call {
        self.streams.set(self.streams.get() + 1);
        self.served.set(self.served.get().saturating_add(1));
        if now().saturating_duration_since(self.life.heard.get()) > SILENCE {
            self.life.ask();
        }
        let lease = Lease { trunk: Rc::clone(self), trunks: Rc::clone(trunks) };
        Call::new(self.requests.borrow().clone(), lease)
    }

    /// Whether requests may still be sent: it lives, its target has not said goodbye, and it has not had enough.
    fn is_good(&self, keep: &KeepAlive) -> bool {
        let refused = self.requests.borrow_mut().poll_ready(&mut Context::from_waker(Waker::noop()));
        !self.life.ended.get()
            && self.served.get() < keep.requests_max
            && !matches!(refused, Poll::Ready(Err(_)))
    }

    fn has_room(&self) -> bool {
        let allowed = u32::try_from(self.requests.borrow().current_max_send_streams()).unwrap_or(u32::MAX);
        self.streams.get() < allowed.min(STREAMS_MAX) && !self.life.doubted.get()
    }
}

impl Lease {
    /// Something came from the target.
    pub(super) fn hear(&self) {
        self.trunk.life.heard.set(now());
    }

    /// The target is asked whether it lives, and gets no new request until it has said so.
    pub(super) fn doubt(&self) {
        self.trunk.life.doubted.set(true);
        self.trunk.life.ask();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.trunk.streams.set(self.trunk.streams.get().saturating_sub(1));
        self.trunk.idle_since.set(now());
        self.trunks.wake_next();
    }
}

impl Life {
    fn ask(&self) {
        self.ask.set(true);
        if let Some(driver) = self.driver.borrow_mut().take() {
            driver.wake();
        }
    }
}

/// Keeps a connection going until it ends, or until it does not answer.
async fn drive(
    mut connection: Connection<Pipe, Bytes>,
    pings: Option<PingPong>,
    life: Rc<Life>,
    _permit: Permit,
) {
    let mut asking = Asking { pings, until: None };
    poll_fn(|cx| {
        *life.driver.borrow_mut() = Some(cx.waker().clone());
        if asking.poll_lost(&life, cx).is_ready() {
            return Poll::Ready(());
        }
        Pin::new(&mut connection).poll(cx).map(drop)
    })
    .await;
    life.ended.set(true);
}

/// The question whether a target lives.
struct Asking {
    pings: Option<PingPong>,
    /// Until when the answer must be here.
    until: Option<Sleep>,
}

impl Asking {
    /// Ready when the answer has not come in time.
    fn poll_lost(&mut self, life: &Life, cx: &mut Context<'_>) -> Poll<()> {
        let Some(pings) = &mut self.pings else { return Poll::Pending };
        if life.ask.replace(false) && self.until.is_none() && pings.send_ping(Ping::opaque()).is_ok() {
            self.until = Some(sleep(PONG_WAIT));
        }
        let Some(until) = &mut self.until else { return Poll::Pending };
        match pings.poll_pong(cx) {
            Poll::Ready(_) => {
                self.until = None;
                life.doubted.set(false);
                life.heard.set(now());
                Poll::Pending
            }
            Poll::Pending => pin!(until).poll(cx),
        }
    }
}
