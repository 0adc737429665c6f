//! What one reactor consists of, shared by everything that lives in it, and how operations pass through it.

use crate::config::Config;
use crate::counters::{Counters, Tally, add};
use crate::driver::Driver;
use crate::inbox::Inbox;
use crate::op::post::Outboxes;
use crate::pipe::Pipes;
use crate::pool::Pool;
use crate::request::Request;
use crate::ring::Completion;
use crate::sheet::Sheets;
use crate::slot::{BELL, Hold, IGNORED, Key, Kind, Phase, Slot, Slots};
use crate::socket::Socket;
use crate::staging::Staging;
use crate::task::Tasks;
use crate::ticket::Tickets;
use crate::wheel::Wheel;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

/// The parts of a reactor. Each cell is borrowed for one step only, never across a call into a task.
pub(crate) struct Hub {
    pub(crate) id: u16,
    pub(crate) config: Config,
    pub(crate) driver: RefCell<Driver>,
    pub(crate) slots: RefCell<Slots>,
    pub(crate) tasks: RefCell<Tasks>,
    pub(crate) wheel: RefCell<Wheel>,
    pub(crate) staging: RefCell<Staging>,
    pub(crate) pool: Rc<Pool>,
    pub(crate) pipes: Pipes,
    pub(crate) sheets: Sheets,
    pub(crate) tickets: RefCell<Tickets>,
    pub(crate) outboxes: Outboxes,
    /// Sockets whose readers wait for a buffer, each once, longest first.
    pub(crate) starved: RefCell<VecDeque<Weak<Socket>>>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) tally: Tally,
    pub(crate) epoch: Instant,
    pub(crate) now: Cell<Instant>,
    /// The reactor is gone; streams that outlived it answer with errors.
    pub(crate) closed: Cell<bool>,
    pub(crate) bell: Bell,
}

/// The read on the inbox's eventfd.
#[derive(Default)]
pub(crate) struct Bell {
    /// How often it was rung, written by the kernel.
    rung: Box<Cell<u64>>,
    in_flight: Cell<bool>,
    /// The reactor is ending; do not read again.
    ending: Cell<bool>,
}

/// The error of every operation after the reactor is gone.
pub(crate) fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the reactor of this stream has ended")
}

impl Hub {
    /// Starts an operation.
    #[inline]
    pub(crate) fn start(&self, request: Request, slot: Slot) -> io::Result<Key> {
        if self.closed.get() {
            return Err(gone());
        }
        let mut slots = self.slots.borrow_mut();
        if slots.live() >= self.config.operations_max {
            add(&self.tally.operations_refused, 1);
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, "operations_max are in flight"));
        }
        let key = slots.insert(slot).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?;
        drop(slots);
        self.driver.borrow_mut().push(request, key.word(), &self.tally);
        Ok(key)
    }

    /// The result of a `Once` operation, whose slot is freed with it.
    #[inline]
    pub(crate) fn poll(&self, key: Key, cx: &Context<'_>) -> Poll<i32> {
        let mut slots = self.slots.borrow_mut();
        let Some(slot) = slots.find(key) else { return Poll::Ready(-libc::ECANCELED) };
        if slot.phase == Phase::Done {
            let result = slot.result;
            if slot.kind == Kind::ZeroCopy {
                slot.phase = Phase::Lingering;
            } else {
                let slot = slots.remove(key);
                drop(slots);
                drop(slot);
            }
            return Poll::Ready(result);
        }
        match &mut slot.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// The future of an operation is gone: cancel it and keep its buffer until the kernel is done with it.
    pub(crate) fn orphan(&self, key: Key, keep: Option<Box<dyn Any>>) {
        let mut slots = self.slots.borrow_mut();
        let Some(slot) = slots.find(key) else { return };
        if slot.phase == Phase::Done {
            if slot.kind == Kind::ZeroCopy {
                slot.phase = Phase::Lingering;
                return;
            }
            let slot = slots.remove(key);
            drop(slots);
            drop(slot);
            return;
        }
        slot.phase = Phase::Orphan;
        slot.waker = None;
        if let Some(buffer) = keep {
            slot.keep(buffer);
        }
        drop(slots);
        self.cancel(key);
    }

    /// Asks the kernel to end an operation, whose completion then comes soon.
    pub(crate) fn cancel(&self, key: Key) {
        if !self.closed.get() {
            add(&self.tally.cancels, 1);
            self.driver.borrow_mut().push(Request::Cancel { target: key.word() }, IGNORED, &self.tally);
        }
    }

    pub(crate) fn close(&self, fd: RawFd) {
        add(&self.tally.closes, 1);
        if self.closed.get() {
            self.driver.borrow_mut().close_now(fd);
        } else {
            self.driver.borrow_mut().push(Request::Close { fd }, IGNORED, &self.tally);
        }
    }

    /// Deals with one completion.
    #[inline]
    pub(crate) fn complete(&self, done: Completion) {
        match done.user_data {
            IGNORED => return,
            BELL => return self.answer_bell(),
            _ => {}
        }
        let key = Key::of(done.user_data);
        let mut slots = self.slots.borrow_mut();
        let Some(slot) = slots.find(key) else {
            add(&self.tally.completions_stale, 1);
            return;
        };
        let last = !io_uring::cqueue::more(done.flags);
        match slot.kind {
            Kind::Once => self.settle(slots, key, done.result),
            Kind::ZeroCopy => self.settle_zero_copy(slots, key, done),
            Kind::Post => {
                let slot = slots.remove(key);
                drop(slots);
                if let Some(Hold::Socket(socket)) = slot.map(|s| s.hold) {
                    socket.posted(done.result);
                }
            }
            Kind::Recv | Kind::Accept if last => {
                let slot = slots.remove(key);
                drop(slots);
                match slot.map(|s| s.hold) {
                    Some(Hold::Socket(socket)) => socket.received(done, true),
                    Some(Hold::Acceptor(acceptor)) => acceptor.arrived(done.result, true),
                    _ => {}
                }
            }
            Kind::Recv => {
                if let Hold::Socket(socket) = &slot.hold {
                    let socket = Rc::clone(socket);
                    drop(slots);
                    socket.received(done, false);
                }
            }
            Kind::Accept => {
                if let Hold::Acceptor(acceptor) = &slot.hold {
                    let acceptor = Rc::clone(acceptor);
                    drop(slots);
                    acceptor.arrived(done.result, false);
                }
            }
        }
    }

    #[inline]
    fn settle(&self, mut slots: std::cell::RefMut<'_, Slots>, key: Key, result: i32) {
        let Some(slot) = slots.find(key) else { return };
        if slot.phase == Phase::Orphan {
            let slot = slots.remove(key);
            drop(slots);
            drop(slot);
        } else {
            slot.finish(result);
            let waker = slot.waker.take();
            drop(slots);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// A zero-copy send first says how much it sent, then that the buffer is free.
    fn settle_zero_copy(&self, mut slots: std::cell::RefMut<'_, Slots>, key: Key, done: Completion) {
        const COPIED: i32 = i32::MIN;
        let notification = io_uring::cqueue::notif(done.flags);
        if notification && done.result & COPIED != 0 {
            add(&self.tally.zero_copies_copied, 1);
        }
        let Some(slot) = slots.find(key) else { return };
        if notification || !io_uring::cqueue::more(done.flags) {
            // The buffer is free. A result that nobody has taken yet waits in the slot without it.
            let kept = slot.take_kept();
            match (notification, slot.phase) {
                (true, Phase::Done) => slot.kind = Kind::Once,
                (true, _) => {
                    let slot = slots.remove(key);
                    drop(slots);
                    drop(slot);
                }
                (false, _) => self.settle(slots, key, done.result),
            }
            drop(kept);
        } else if slot.phase == Phase::Waiting {
            slot.finish(done.result);
            let waker = slot.waker.take();
            drop(slots);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// Reads the bell again and takes in what other threads have left.
    fn answer_bell(&self) {
        self.bell.in_flight.set(false);
        if !self.bell.ending.get() {
            self.watch_bell();
        }
        let post = self.inbox.take();
        let mut tasks = self.tasks.borrow_mut();
        add(&self.tally.wakes_foreign, post.wakes.len() as u64);
        if post.wake_all {
            tasks.schedule_all();
        } else {
            post.wakes.into_iter().for_each(|task| tasks.schedule(task));
        }
        drop(tasks);
        for job in post.jobs {
            add(&self.tally.jobs, 1);
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)).is_err() {
                add(&self.tally.panics, 1);
            }
        }
    }

    /// Arms the read on the bell. Its memory lives as long as the hub, which outlives the ring.
    pub(crate) fn watch_bell(&self) {
        self.bell.in_flight.set(true);
        let data = self.bell.rung.as_ptr().cast();
        let request = Request::Read { fd: self.inbox.bell(), data, bytes: 8 };
        self.driver.borrow_mut().push(request, BELL, &self.tally);
    }

    /// Lets as many starved readers try again as there are buffers.
    pub(crate) fn feed_starved(&self) {
        let mut buffers = self.pool.available();
        while buffers > 0 {
            let Some(socket) = self.starved.borrow_mut().pop_front() else { return };
            if let Some(socket) = socket.upgrade() {
                socket.feed();
                buffers -= 1;
            }
        }
    }

    /// Cancels everything in flight, for the end of the reactor.
    pub(crate) fn cancel_all(&self) {
        self.bell.ending.set(true);
        let keys = self.slots.borrow().keys();
        keys.into_iter().for_each(|key| self.cancel(key));
        self.driver.borrow_mut().push(Request::Cancel { target: BELL }, IGNORED, &self.tally);
    }

    /// Whether the kernel holds none of our memory and has been told everything.
    pub(crate) fn is_quiet(&self) -> bool {
        let idle = self.slots.borrow().live() == 0 && !self.bell.in_flight.get();
        idle && !self.driver.borrow_mut().has_queued()
    }

    /// Milliseconds from the epoch until `at`, rounded up so that no timer is early.
    pub(crate) fn tick_of(&self, at: Instant) -> u64 {
        let nanoseconds = at.saturating_duration_since(self.epoch).as_nanos();
        u64::try_from(nanoseconds.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }

    pub(crate) fn counters(&self) -> Counters {
        let (live, live_max) = self.pool.live();
        let mut counters = self.tally.copy();
        counters.buffers_live = u64::from(live);
        counters.buffers_max = u64::from(live_max);
        counters.operations_live = u64::from(self.slots.borrow().live());
        counters.tasks_live = u64::from(self.tasks.borrow().live());
        counters.timers_live = u64::from(self.wheel.borrow().live());
        counters
    }
}
