//! Two streams joined without understanding what they carry; half-closes are passed on.
pub(crate) mod farewell;

use crate::{
    fault::{Broken, Fault},
    line::Line,
    log::Tally,
    stream::Stream,
    target::{self, Tried, Wish},
    upstream::{Carried, Offer, Permit, Pool},
    watch::Watch,
};
use farewell::Farewell;
use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};
use weir_message::Request;
use weir_meter::Count;
use weir_plan::{id::ListenerId, router::Ask};
use weir_policy::mapped;
use weir_reactor::{Buf, Pump, now};

/// What a tunnel has carried, and when it last did.
pub(crate) struct Carriage<'a> {
    tally: &'a Tally,
    moved: Cell<Instant>,
}

impl Carriage<'_> {
    /// Nothing yet.
    pub(crate) fn new(tally: &Tally) -> Carriage<'_> {
        Carriage { tally, moved: Cell::new(now()) }
    }

    /// Bytes came from the client.
    pub(crate) fn up(&self, bytes: usize) {
        self.tally.received(bytes);
        self.moved.set(now());
    }

    /// Bytes are about to go to the client.
    pub(crate) fn down(&self, bytes: usize) {
        self.tally.sent(bytes);
        self.moved.set(now());
    }
}

/// Joins the two until both directions have ended, one fails, or neither moves for `idle`.
pub(crate) async fn run(
    (down, early_down): (&Stream, Option<Buf>),
    (up, early_up): (&Stream, Option<Buf>),
    (watch, idle): (&Watch, Duration),
    tally: &Tally,
) -> Result<(), Broken> {
    let carriage = Carriage::new(tally);
    let upward = pump(down, up, early_down, |bytes| carriage.up(bytes));
    let downward = pump(up, down, early_up, |bytes| carriage.down(bytes));
    both(upward, downward, (watch, idle), &carriage).await
}

async fn pump(from: &Stream, to: &Stream, early: Option<Buf>, count: impl Fn(usize)) -> Result<(), Broken> {
    if let Some(data) = early {
        count(data.len());
        to.send(data).await.0?;
    }
    let mut pump = Pump::default();
    loop {
        let bytes = step(&mut pump, from, to).await?;
        if bytes == 0 {
            return Ok(to.shutdown().await?);
        }
        count(bytes);
    }
}

/// Joins a client and a target that speak WebSocket. When the time of a connection that has to end is nearly over, the
/// client is told so between two frames, and given the rest of the time to say goodbye.
pub(crate) async fn run_websocket(
    (down, early_down): (&Stream, Option<Buf>),
    (up, early_up): (&Stream, Option<Buf>),
    (line, idle): (&Line, Duration),
    tally: &Tally,
) -> Result<(), Broken> {
    let carriage = Carriage::new(tally);
    let upward = pump(down, up, early_down, |bytes| carriage.up(bytes));
    let downward = async {
        let mut farewell = Farewell::new(line);
        let mut next = early_up;
        while let Some(data) = farewell.next(next.take(), up).await? {
            carriage.down(data.len());
            down.send(data).await.0?;
        }
        Ok(down.shutdown().await?)
    };
    both(upward, downward, (&line.watch, idle), &carriage).await
}

/// Moves what comes next; 0 at the end. Between two plain connections bulk never enters user space.
async fn step(pump: &mut Pump, from: &Stream, to: &Stream) -> io::Result<usize> {
    if let (Stream::Plain(from), Stream::Plain(to)) = (from, to) {
        return pump.step(&from.recv, &to.send).await;
    }
    let Some(data) = from.recv().await? else { return Ok(0) };
    let bytes = data.len();
    to.send(data).await.0?;
    Ok(bytes)
}

/// Runs both directions; the idle limit counts from the last byte of either.
pub(crate) async fn both(
    upward: impl Future<Output = Result<(), Broken>>,
    downward: impl Future<Output = Result<(), Broken>>,
    (watch, idle): (&Watch, Duration),
    Carriage { moved, .. }: &Carriage<'_>,
) -> Result<(), Broken> {
    let (mut upward, mut downward) = (pin!(upward), pin!(downward));
    let (mut up_done, mut down_done) = (false, false);
    loop {
        let seen = moved.get();
        let ended = poll_fn(|cx| {
            if !up_done && let Poll::Ready(result) = upward.as_mut().poll(cx) {
                up_done = true;
                result?;
            }
            if !down_done && let Poll::Ready(result) = downward.as_mut().poll(cx) {
                down_done = true;
                result?;
            }
            if up_done && down_done { Poll::Ready(Ok(())) } else { Poll::Pending }
        });
        match watch.limit(idle, ended).await {
            Ok(result) => return result,
            Err(_) if moved.get() > seen => {}
            Err(_) => return Err(Broken::Slow),
        }
    }
}

/// Opens a connection to a target for a tunnel, trying each once. Both permits last as long as the tunnel.
pub(crate) async fn open(line: &Line, pool: &Rc<Pool>, tally: &Tally) -> Option<(Stream, (Permit, Carried))> {
    let request = Request::default();
    let client = mapped(line.peer.ip());
    let sni = line.server_name.as_deref();
    let ask = Ask { request: &request, listener: ListenerId::default(), client, sni, identity: None };
    let random = line.desk.ids.borrow_mut().random();
    let (draw, _) = target::draw(pool, &Wish { ask, route: "", random });
    let mut tried = Tried::default();
    for _ in 0..pool.upstream.targets.len() {
        let target = target::pick(pool, draw, random, tried)?;
        let Some(carried) = pool.carry(target) else { return full(line) };
        tally.tried(pool, target);
        match pool.open_stream(target, line, Offer::Any).await {
            Ok((stream, permit)) => {
                tally.reached(false);
                line.desk.block.add(Count::UpstreamOpened, 1);
                return Some((stream, (permit, carried)));
            }
            Err(Fault::UpstreamFull) => return full(line),
            Err(_) => {
                line.desk.block.add(Count::UpstreamFailed, 1);
                pool.failed(target);
                tried.insert(target);
            }
        }
    }
    None
}

fn full<T>(line: &Line) -> Option<T> {
    line.desk.block.add(Count::UpstreamFull, 1);
    None
}
