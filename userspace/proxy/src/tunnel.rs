//! Two streams joined without understanding what they carry; half-closes are passed on.
pub(crate) mod farewell;

use crate::{
    fault::{Broken, Fault},
    line::Line,
    log::Tally,
    stream::Stream,
    target::{self, Tried, Wish},
    upstream::{self, Offer, Permit, Pool},
    watch::Watch,
};
use farewell::Farewell;
use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use weir_message::Request;
use weir_meter::Count;
use weir_plan::{id::ListenerId, router::Ask};
use weir_policy::mapped;
use weir_reactor::{Buf, Pump, now};

/// What went through a tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    /// Bytes from the client.
    pub(crate) up: u64,
    /// Bytes to the client.
    pub(crate) down: u64,
}

/// Joins the two until both directions have ended, one fails, or neither moves for `idle`.
pub(crate) async fn run(
    (down, early_down): (&Stream, Option<Buf>),
    (up, early_up): (&Stream, Option<Buf>),
    watch: &Watch,
    idle: Duration,
) -> (Carried, Result<(), Broken>) {
    let (sent_up, sent_down) = (Cell::new(0), Cell::new(0));
    let moved = Cell::new(now());
    let upward = pump(down, up, early_down, &sent_up, &moved);
    let downward = pump(up, down, early_up, &sent_down, &moved);
    let result = both(upward, downward, watch, idle, &moved).await;
    (Carried { up: sent_up.get(), down: sent_down.get() }, result)
}

async fn pump(
    from: &Stream,
    to: &Stream,
    early: Option<Buf>,
    sent: &Cell<u64>,
    moved: &Cell<std::time::Instant>,
) -> Result<(), Broken> {
    let count = |bytes: usize| {
        sent.set(sent.get() + bytes as u64);
        moved.set(now());
    };
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
    line: &Line,
    idle: Duration,
) -> (Carried, Result<(), Broken>) {
    let (sent_up, sent_down, moved) = (Cell::new(0), Cell::new(0), Cell::new(now()));
    let upward = pump(down, up, early_down, &sent_up, &moved);
    let downward = async {
        let mut farewell = Farewell::new(line);
        let mut next = early_up;
        while let Some(data) = farewell.next(next.take(), up).await? {
            sent_down.set(sent_down.get() + data.len() as u64);
            moved.set(now());
            down.send(data).await.0?;
        }
        Ok(down.shutdown().await?)
    };
    let result = both(upward, downward, &line.watch, idle, &moved).await;
    (Carried { up: sent_up.get(), down: sent_down.get() }, result)
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
    watch: &Watch,
    idle: Duration,
    moved: &Cell<std::time::Instant>,
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
pub(crate) async fn open(
    line: &Line,
    pool: &Rc<Pool>,
    tally: &Tally,
) -> Option<(Stream, (Permit, upstream::Carried))> {
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
