//! Where connections wait that have been idle for a while: without a task, a timer and anything of an exchange, so that
//! one is little more than its descriptor. The attendant gives each a task again when something comes, and ends those
//! whose time is over.
mod places;
mod remote;

use crate::{
    connection::{self, Opened},
    desk::Desk,
    gate::Gate,
    line::{Line, Open},
    stream::Stream,
    watch::Watch,
};
pub(crate) use places::Places;
use remote::Remote;
use std::cell::{Cell, OnceCell, RefCell};
use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use weir_message::Scheme;
use weir_meter::{Count, Level};
use weir_plan::tls::Bearer;
use weir_reactor::{called, now, sleep, spawn, ticket};
use weir_wire::Reason;

/// How long a connection is idle before it comes here. Busy ones never do.
pub(crate) const PARK_AFTER: Duration = Duration::from_millis(500);
/// Connections that may wait in one lot, which takes some 20 MB.
const PARKED_MAX: u32 = 1 << 18;
/// How often a part of the lot is looked through for connections whose time is over, and how many parts there are.
const ROUND: Duration = Duration::from_millis(100);
const PARTS: usize = 10;

/// One connection that waits: what nothing else knows of it.
struct Parked {
    stream: Stream,
    gate: Rc<Gate>,
    socket: Remote,
    /// It is counted among those of its client.
    is_guest: bool,
    requests: u32,
    /// The round of the lot in which it has waited for too long.
    until: u32,
    /// What only few have.
    more: Option<Box<More>>,
}

const _: () = assert!(size_of::<Option<Parked>>() <= 64, "what an idle connection has in the lot");

/// What a PROXY header has told, and a certificate of the client.
struct More {
    /// The client, and where it connected to.
    ends: Option<(SocketAddr, SocketAddr)>,
    bearer: Option<Rc<Bearer>>,
}

/// All connections of a worker that wait, each under the number of its ticket.
pub(crate) struct Lot {
    places: RefCell<Places<Parked>>,
    /// Where the next round begins, and when.
    round: Cell<usize>,
    next_round: Cell<Instant>,
    /// When the rounds began to be counted.
    epoch: Instant,
}

impl Default for Lot {
    fn default() -> Lot {
        let (places, epoch) = (RefCell::new(Places::new(PARKED_MAX)), Instant::now());
        Lot { places, round: Cell::new(0), next_round: Cell::new(epoch), epoch }
    }
}

impl Lot {
    /// The rounds before a moment.
    fn rounds(&self, at: Instant) -> u32 {
        let rounds = at.saturating_duration_since(self.epoch).as_millis() / ROUND.as_millis();
        u32::try_from(rounds).unwrap_or(u32::MAX)
    }

    /// Takes a connection in that has nothing to say and nothing on its way, until that moment. If something has come
    /// meanwhile, it is called at once. Where too many wait already, it ends, as an idle connection may at any time.
    pub(crate) fn park(&self, line: &Line, stream: Stream, until: Instant) {
        let (until, was_empty) = (self.rounds(until).saturating_add(1), self.is_empty());
        let mut places = self.places.borrow_mut();
        if places.is_full() {
            line.desk.block.add(Count::LotFull, 1);
            return;
        }
        let Ok(number) = places.put(Parked::new(line, stream, until)) else { return };
        let waker = ticket(number);
        let called = places.find(number).is_some_and(|parked| parked.is_called(&waker));
        line.desk.block.set(Level::Parked, places.taken() as u64);
        // The attendant of an empty lot does not look at the clock.
        if called || was_empty {
            waker.wake();
        }
    }

    /// Takes those out of which `wanted` is true.
    fn take_where(&self, range: std::ops::Range<usize>, wanted: impl Fn(&Parked) -> bool) -> Vec<Parked> {
        self.places.borrow_mut().take_where(range, wanted)
    }

    /// Takes one out that has something to say. Numbers are called late or twice at times.
    fn take_called(&self, number: u32) -> Option<Parked> {
        let mut places = self.places.borrow_mut();
        places.find(number).filter(|parked| parked.is_called(&ticket(number)))?;
        places.take(number)
    }

    /// Gives back what a crowd took that is gone.
    pub(crate) fn trim(&self) {
        self.places.borrow_mut().trim();
    }

    /// Ends those of the next part whose time is over.
    fn look_through(&self, desk: &Rc<Desk>) {
        let (all, begin) = (self.places.borrow().reach(), self.round.get());
        let end = begin + all.div_ceil(PARTS).max(1);
        self.round.set(if end >= all { 0 } else { end });
        self.next_round.set(now() + ROUND);
        let rounds = self.rounds(now());
        for parked in self.take_where(begin..end.min(all), |parked| parked.until <= rounds) {
            parked.end(desk);
        }
    }

    /// Ends those whose client is banned, and wakes those of which no further request is wanted.
    fn answer_roll_call(&self, desk: &Rc<Desk>) {
        let is_barred = |parked: &Parked| desk.crowd.is_barred(parked.socket.address().ip());
        for parked in self.take_where(0..usize::MAX, is_barred) {
            desk.block.refuse(Reason::Banned as u8);
            parked.end(desk);
        }
        let all = desk.is_draining();
        for parked in self.take_where(0..usize::MAX, |parked| all || parked.gate.is_shut()) {
            parked.go_on(desk);
        }
    }

    fn is_empty(&self) -> bool {
        self.places.borrow().taken() == 0
    }

    /// Ends all of them, with the worker.
    pub(crate) fn clear(&self, desk: &Rc<Desk>) {
        for parked in self.take_where(0..usize::MAX, |_| true) {
            parked.end(desk);
        }
        self.tell(desk);
    }

    /// Says how many wait.
    fn tell(&self, desk: &Desk) {
        desk.block.set(Level::Parked, self.places.borrow().taken() as u64);
    }
}

impl Parked {
    fn new(line: &Line, stream: Stream, until: u32) -> Parked {
        let is_told = line.peer != line.socket || stream.local().is_some_and(|local| local != line.local);
        let ends = is_told.then_some((line.peer, line.local));
        let has_more = ends.is_some() || line.bearer.is_some();
        let more = has_more.then(|| Box::new(More { ends, bearer: line.bearer.clone() }));
        Parked {
            stream,
            gate: Rc::clone(&line.gate),
            socket: Remote::of(line.socket),
            is_guest: line.open.park(),
            requests: line.requests.get(),
            until,
            more,
        }
    }

    /// Whether something has come; if not, this waker is told when it does.
    fn is_called(&self, waker: &Waker) -> bool {
        self.stream.poll_readable(&mut Context::from_waker(waker)).is_ready()
    }

    /// Gives the connection a task again.
    fn go_on(self, desk: &Rc<Desk>) {
        let (socket, (peer, local), open) = (self.socket.address(), self.ends(), self.open(desk));
        let Parked { stream, gate, requests, more, .. } = self;
        let tls = match &stream {
            Stream::Plain(_) => None,
            Stream::Tls(tls) => Some(tls),
        };
        let line = Rc::new(Line {
            desk: Rc::clone(desk),
            gate: Rc::clone(&gate),
            socket,
            peer,
            local,
            scheme: if tls.is_some() { Scheme::Https } else { Scheme::Http },
            secured: tls.and_then(|tls| tls.secured()),
            server_name: tls.and_then(|tls| tls.server_name()),
            bearer: more.and_then(|more| more.bearer),
            watch: Watch::new(),
            requests: Cell::new(requests),
            stay: OnceCell::new(),
            open: Rc::new(open),
        });
        let snapshot = line.snapshot();
        let opened = Opened { line, snapshot, stream, early: None };
        spawn(gate.hold(Rc::clone(desk), socket.ip(), move || connection::again(opened)));
    }

    /// It is over.
    fn end(self, desk: &Rc<Desk>) {
        drop(self.open(desk));
    }

    /// The client, and where it connected to.
    fn ends(&self) -> (SocketAddr, SocketAddr) {
        let told = self.more.as_ref().and_then(|more| more.ends);
        told.unwrap_or_else(|| {
            let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
            (self.socket.address(), self.stream.local().unwrap_or(nowhere))
        })
    }

    /// What counts it from now on.
    fn open(&self, desk: &Rc<Desk>) -> Open {
        let open = Open::new(desk);
        if self.is_guest {
            open.entered(self.ends().0.ip());
        }
        open
    }
}

/// Attends to the lot for as long as the worker runs.
pub(crate) async fn attend(desk: Rc<Desk>) {
    let (mut numbers, mut roll_calls, mut entry) = (Vec::new(), desk.roll_calls(), None);
    let mut round = sleep(ROUND);
    loop {
        {
            let mut called = pin!(called(&mut numbers));
            poll_fn(|cx| {
                entry.get_or_insert_with(|| desk.enlist(cx.waker()));
                let is_due = !desk.lot.is_empty() && pin!(&mut round).poll(cx).is_ready();
                let is_called = called.as_mut().poll(cx).is_ready() || roll_calls != desk.roll_calls();
                if is_due || is_called { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
        for number in numbers.drain(..) {
            if let Some(parked) = desk.lot.take_called(number) {
                parked.go_on(&desk);
            }
        }
        if !desk.lot.is_empty() && now() >= desk.lot.next_round.get() {
            desk.lot.look_through(&desk);
            round.reset(desk.lot.next_round.get());
        }
        if roll_calls != desk.roll_calls() {
            roll_calls = desk.roll_calls();
            desk.lot.answer_roll_call(&desk);
        }
        desk.lot.tell(&desk);
    }
}
