//! What one worker holds and shares with nobody: the plan it works by, its pools, its numbers, its spare memory.
use crate::upstream::Board;
use crate::{
    clock::Clock,
    crowd::Crowd,
    exchange::Switched,
    gate::Gate,
    handshake::Handshakes,
    log::Pen,
    lot::{Lot, Places},
    names::Names,
    outlet::Waiting,
    request_id::Ids,
    snapshot::Snapshot,
    stay::{Stay, Stays},
    team::Place,
    worker::Helm,
};
use arc_swap::ArcSwap;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Instant;
use weir_message::{Head, Request, Response};
use weir_meter::log::Hose;
use weir_meter::{Block, Count, Directory};
use weir_plan::{Plan, listener::Bind};
use weir_policy::{Now, Pass};
use weir_reactor::{Spare, now, sleep_until, spawn, wake_all};

/// Sets of reusable memory that are kept beyond the connections that use them.
const SPARE_MAX: usize = 256;

/// One worker.
pub(crate) struct Desk {
    plans: Arc<ArcSwap<Plan>>,
    snapshot: RefCell<Rc<Snapshot>>,
    /// Earlier ones, by which exchanges may still go on.
    earlier: RefCell<Vec<Weak<Snapshot>>>,
    directory: Arc<Mutex<Directory>>,
    board: Arc<Board>,
    /// The worker's numbers.
    pub(crate) block: Arc<Block>,
    /// What writes the access log.
    pub(crate) pen: RefCell<Pen>,
    /// What policies keep.
    pub(crate) policy: RefCell<weir_policy::Worker>,
    /// Where request ids come from.
    pub(crate) ids: RefCell<Ids>,
    spare: Spare<Box<Scratch>>,
    /// The addresses of named targets.
    pub(crate) names: Names,
    /// Exchanges that wait for an answer of another thread.
    pub(crate) waiting: Waiting,
    /// Handshakes of TLS with clients.
    pub(crate) handshakes: Handshakes,
    /// Connections that have been idle for a while.
    pub(crate) lot: Lot,
    /// Who is connected, to any worker.
    pub(crate) crowd: Arc<Crowd>,
    /// Tunnels, by what led to them.
    stays: Stays,
    /// How other threads reach this worker.
    pub(crate) helm: Helm,
    clock: Clock,
    /// When the last connections are cut; nothing before draining has begun, after which no new requests are wanted.
    pub(crate) drained_by: Cell<Option<Instant>>,
    /// Its place among the workers that share the limits of the plan.
    pub(crate) place: Place,
    /// Connections open now.
    pub(crate) open: Cell<u32>,
    /// Where it accepts.
    gates: RefCell<Vec<Rc<Gate>>>,
    /// Tasks to be woken when draining begins, here or at one gate. Each enters once in its life.
    roll: RefCell<Roll>,
    ending: RefCell<Option<Waker>>,
    expulsions: Cell<u32>,
}

/// Tasks by number.
struct Roll {
    /// How often it was called.
    calls: u32,
    wakers: Places<Waker>,
}

/// The memory of one exchange. Nothing in it is freed between requests.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) request: Request,
    pub(crate) response: Response,
    pub(crate) trailers: Head,
    pub(crate) trailers_up: Head,
    pub(crate) pass: Pass,
    pub(crate) body: Vec<u8>,
    /// What goes on once protocols are switched.
    pub(crate) switched: Option<Box<Switched>>,
}

impl Desk {
    pub(crate) fn new(
        plans: Arc<ArcSwap<Plan>>,
        (directory, board): (Arc<Mutex<Directory>>, Arc<Board>),
        block: Arc<Block>,
        (crowd, place): (Arc<Crowd>, Place),
        helm: Helm,
    ) -> Desk {
        let snapshot = Rc::new(Snapshot::new(plans.load_full(), &directory, &board, None));
        Desk {
            plans,
            snapshot: RefCell::new(snapshot),
            earlier: RefCell::default(),
            directory,
            board,
            block,
            pen: RefCell::default(),
            policy: RefCell::default(),
            ids: RefCell::default(),
            spare: Spare::new(SPARE_MAX),
            names: Names::default(),
            waiting: Waiting::default(),
            handshakes: Handshakes::default(),
            lot: Lot::default(),
            crowd,
            stays: Stays::default(),
            helm,
            clock: Clock::new(),
            drained_by: Cell::new(None),
            place,
            open: Cell::new(0),
            gates: RefCell::default(),
            roll: RefCell::new(Roll { calls: 0, wakers: Places::new(u32::MAX) }),
            ending: RefCell::default(),
            expulsions: Cell::new(0),
        }
    }

    /// The plan in force, with this worker's state about it. An exchange asks once and keeps what it got.
    pub(crate) fn snapshot(&self) -> Rc<Snapshot> {
        Rc::clone(&self.snapshot.borrow())
    }

    /// Sends the access log through this hose from now on.
    pub(crate) fn log_to(&self, hose: Option<Hose>) {
        self.lost_lines(self.pen.borrow_mut().journal.turn_to(hose));
    }

    /// Hands over the lines of the access log that wait.
    pub(crate) fn flush_log(&self) {
        self.lost_lines(self.pen.borrow_mut().journal.flush());
    }

    /// Sends spans of traces through this hose from now on.
    pub(crate) fn trace_to(&self, hose: Option<Hose>) {
        self.lost_spans(self.pen.borrow_mut().spans.turn_to(hose));
    }

    /// Hands over the spans that wait.
    pub(crate) fn flush_spans(&self) {
        self.lost_spans(self.pen.borrow_mut().spans.flush());
    }

    pub(crate) fn lost_spans(&self, spans: u32) {
        if spans > 0 {
            self.block.add(Count::SpansOverflowed, spans.into());
        }
    }

    pub(crate) fn lost_lines(&self, lines: u32) {
        if lines > 0 {
            self.block.add(Count::LogOverflowed, lines.into());
        }
    }

    /// Memory for an exchange.
    pub(crate) fn borrow_scratch(&self) -> Box<Scratch> {
        self.spare.take().unwrap_or_default()
    }

    /// Takes the memory back.
    pub(crate) fn return_scratch(&self, scratch: Box<Scratch>) {
        self.spare.put(scratch);
    }

    /// Lets memory go that a burst has taken and nobody has needed since the last time.
    pub(crate) fn trim(&self) {
        self.spare.trim();
        self.roll.borrow_mut().wakers.trim();
        self.lot.trim();
        weir_reactor::trim();
    }

    /// This moment on both clocks.
    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    /// Has the clock go by the reactor's time alone.
    pub(crate) fn pretend_time(&self) {
        self.clock.pretend();
    }

    /// The `Date` of this second.
    pub(crate) fn date(&self) -> [u8; 29] {
        self.clock.date()
    }

    /// Whether connections should end after their exchange.
    pub(crate) fn is_draining(&self) -> bool {
        self.drained_by.get().is_some()
    }

    /// Stops accepting; connections end after their exchange.
    pub(crate) fn drain(&self) {
        if self.drained_by.get().is_none() {
            self.drained_by.set(Some(now() + self.snapshot().plan.limits.drain_timeout));
        }
        self.call_roll();
        self.ending.borrow().iter().for_each(Waker::wake_by_ref);
    }

    fn call_roll(&self) {
        let mut roll = self.roll.borrow_mut();
        roll.calls = roll.calls.wrapping_add(1);
        roll.wakers.iter().for_each(Waker::wake_by_ref);
    }

    /// A socket at which this worker accepts from now on.
    pub(crate) fn open_gate(&self, bind: Bind) -> Rc<Gate> {
        let gate = Gate::new(bind);
        self.gates.borrow_mut().push(Rc::clone(&gate));
        gate
    }

    /// Takes the newest plan, and gives up every address that it does not name any more.
    pub(crate) fn adopt(&self) {
        let (before, plan) = (self.snapshot(), self.plans.load_full());
        if Arc::ptr_eq(&before.plan, &plan) {
            return;
        }
        let snapshot = Rc::new(Snapshot::new(plan, &self.directory, &self.board, Some(&before)));
        let until = now() + snapshot.plan.limits.drain_timeout;
        let mut some = self.stays.review(snapshot.plan.names(), until);
        let mut gates = self.gates.borrow_mut();
        let given_up = gates.extract_if(.., |gate| snapshot.listener(&gate.bind).is_none());
        for gate in given_up {
            gate.shut(until, &before);
            some = true;
        }
        self.snapshot.replace(snapshot);
        let mut earlier = self.earlier.borrow_mut();
        earlier.retain(|one| one.strong_count() > 0);
        earlier.push(Rc::downgrade(&before));
        if some {
            self.call_roll();
        }
    }

    /// Gives the exchanges that go by an earlier plan the time of a drain to end, and cuts those that have not.
    pub(crate) fn end(&self, plan: &Arc<Plan>) {
        let earlier = self.earlier.borrow();
        let mut alive = earlier.iter().filter_map(Weak::upgrade);
        let Some(snapshot) = alive.find(|one| Arc::ptr_eq(&one.plan, plan)) else { return };
        let (until, snapshot) = (now() + self.snapshot().plan.limits.drain_timeout, Rc::downgrade(&snapshot));
        spawn(async move {
            sleep_until(until).await;
            if let Some(snapshot) = snapshot.upgrade() {
                snapshot.end();
                wake_all();
            }
        });
    }

    /// How long a tunnel may stay to which a route, unless it carries a listener's bytes, and an upstream have led.
    pub(crate) fn stay(&self, route: Option<&Arc<str>>, upstream: &Arc<str>) -> Rc<Stay> {
        let snapshot = self.snapshot();
        let end = || now() + snapshot.plan.limits.drain_timeout;
        self.stays.begin(snapshot.plan.names(), (route.cloned(), Arc::clone(upstream)), end)
    }

    /// Closes connections to upstreams that have been idle for too long, and forgets what ended tunnels have left.
    pub(crate) fn sweep(&self) {
        self.snapshot().sweep();
        self.stays.trim();
    }

    /// Wakes this task when draining begins and whenever a connection ends after that.
    pub(crate) fn watch_end(&self, waker: &Waker) {
        *self.ending.borrow_mut() = Some(waker.clone());
    }

    /// Where connections are accepted that come to this address.
    pub(crate) fn gate(&self, bind: &Bind) -> Option<Rc<Gate>> {
        self.gates.borrow().iter().find(|gate| gate.bind == *bind).cloned()
    }

    /// A connection has begun.
    pub(crate) fn opened(&self) {
        self.set_open(self.open.get() + 1);
    }

    fn set_open(&self, open: u32) {
        self.open.set(open);
        // Its place may be another worker's by then.
        if !self.is_draining() {
            self.place.tell(open);
        }
    }

    /// A connection has ended.
    pub(crate) fn closed(&self) {
        self.set_open(self.open.get().saturating_sub(1));
        self.block.add(Count::Closed, 1);
        if self.is_draining() {
            self.ending.borrow().iter().for_each(Waker::wake_by_ref);
        }
    }

    /// Enters a task that draining must wake, until what is returned is dropped.
    pub(crate) fn enlist(self: &Rc<Desk>, waker: &Waker) -> Enlisted {
        // There is a number for as many tasks as there can be.
        let number = self.roll.borrow_mut().wakers.put(waker.clone()).ok();
        Enlisted { desk: Rc::clone(self), number }
    }

    /// Has every connection look whether its client is banned.
    pub(crate) fn expel(&self) {
        self.expulsions.set(self.expulsions.get().wrapping_add(1));
        self.call_roll();
    }

    /// How often there was reason to look.
    pub(crate) fn expulsions(&self) -> u32 {
        self.expulsions.get()
    }

    /// How often the roll was called.
    pub(crate) fn roll_calls(&self) -> u32 {
        self.roll.borrow().calls
    }
}

/// The entry of a task in the roll.
pub(crate) struct Enlisted {
    desk: Rc<Desk>,
    number: Option<u32>,
}

impl Drop for Enlisted {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.desk.roll.borrow_mut().wakers.take(number);
        }
    }
}
