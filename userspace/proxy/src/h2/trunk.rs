//! The multiplexed connections of one worker to one target: opened when those there are have no room, watched while
//! they live, and closed when nobody has needed them for long.
use crate::{
    fault::Fault,
    stream::Stream,
    upstream::{Permit, Purse},
};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};
use weir_plan::upstream::KeepAlive;
use weir_reactor::{now, spawn};

mod call;
mod drive;
mod hold;
mod mux;
mod patience;
mod receive;
mod strand;
mod strands;

pub(crate) use call::{Answer, Call, Upload};
use drive::drive;
use mux::Mux;

/// A connection that was silent for this long is asked whether it lives when the next request uses it.
const SILENCE: Duration = Duration::from_secs(10);

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
    mux: Rc<Mux>,
    streams: Cell<u32>,
    served: Cell<u32>,
    idle_since: Cell<Instant>,
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
        let mux = Mux::new();
        spawn(drive(Rc::clone(&mux), stream, permit));
        let (streams, served, idle_since) = (Cell::new(0), Cell::new(0), Cell::new(now()));
        let trunk = Rc::new(Trunk { mux, streams, served, idle_since });
        // How many streams the target allows stands in its settings, with which it must begin.
        poll_fn(|cx| trunk.mux.poll_greeted(cx)).await?;
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
        if now().saturating_duration_since(self.mux.heard.get()) > SILENCE {
            self.mux.ask();
        }
        Call::new(Rc::clone(&self.mux), Lease { trunk: Rc::clone(self), trunks: Rc::clone(trunks) })
    }

    /// Whether requests may still be sent: it lives, its target has not said goodbye, and it has not had enough.
    fn is_good(&self, keep: &KeepAlive) -> bool {
        self.served.get() < keep.requests_max && self.mux.is_open()
    }

    fn has_room(&self) -> bool {
        self.streams.get() < self.mux.streams_max() && !self.mux.doubted.get()
    }
}

impl Drop for Trunk {
    fn drop(&mut self) {
        self.mux.finish();
    }
}

impl Lease {
    /// The target is asked whether it lives, and gets no new request until it has said so.
    pub(super) fn doubt(&self) {
        self.trunk.mux.doubted.set(true);
        self.trunk.mux.ask();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.trunk.streams.set(self.trunk.streams.get().saturating_sub(1));
        self.trunk.idle_since.set(now());
        self.trunks.wake_next();
    }
}
