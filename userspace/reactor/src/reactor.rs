//! The reactor: the loop that polls what is ready, then submits and waits once, and the end of it all.

use crate::config::Config;
use crate::counters::{Counters, Tally, add};
use crate::driver::Driver;
use crate::error::Error;
use crate::here::{self, Here};
use crate::hub::{Bell, Hub};
use crate::inbox::{Handle, Inbox};
use crate::pool::Pool;
use crate::probe;
use crate::ring::Completion;
use crate::slot::Slots;
use crate::staging::Staging;
use crate::task::{Boxed, MAIN, Tasks};
use crate::waker::{TaskKey, waker};
use crate::wheel::Wheel;
use std::cell::{Cell, RefCell};
use std::io;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// One thread's executor. It stays on the thread that made it.
pub struct Reactor {
    hub: Rc<Hub>,
    /// Reused every turn.
    done: RefCell<Vec<Completion>>,
    fired: RefCell<Vec<Waker>>,
}

/// Whoever waits for longer than this behind the tasks of one turn notices.
const LONG_TURN: Duration = Duration::from_millis(1);
/// Timers that may fire in one turn before their list grows.
const FIRED: usize = 64;
/// How long the end of a reactor waits for the kernel to let go of buffers, and how long in one turn.
const END: Duration = Duration::from_secs(2);
const END_TURN: Duration = Duration::from_millis(20);

impl Reactor {
    /// Sets up the ring and the buffers, and pins the calling thread if the config says so.
    ///
    /// # Errors
    /// Why this machine does not let it run, with a remedy.
    pub fn new(config: Config) -> Result<Reactor, Error> {
        check(&config)?;
        if let Some(cpu) = config.cpu {
            pin_to(cpu)?;
        }
        let pool = Pool::new(config.buffers_max, config.buffer_bytes)
            .map_err(|source| Error::System { what: "cannot map the buffers", source })?;
        let ring = probe::open(&config, &pool)?;
        Reactor::with(config, pool, |_| Driver::Ring(ring))
    }

    pub(crate) fn with(
        config: Config,
        pool: Pool,
        driver: impl FnOnce(Rc<Pool>) -> Driver,
    ) -> Result<Reactor, Error> {
        let pool = Rc::new(pool);
        let system = |source| Error::System { what: "cannot make the worker's eventfd", source };
        let (id, inbox) = Inbox::open(config.jobs_max).map_err(system)?;
        let now = Instant::now();
        let hub = Hub {
            id,
            driver: RefCell::new(driver(Rc::clone(&pool))),
            slots: RefCell::new(Slots::default()),
            tasks: RefCell::new(Tasks::default()),
            wheel: RefCell::new(Wheel::default()),
            staging: RefCell::new(Staging::default()),
            pool,
            pipes: crate::pipe::Pipes::default(),
            sheets: crate::sheet::Sheets::default(),
            tickets: RefCell::default(),
            outboxes: crate::op::post::Outboxes::default(),
            starved: RefCell::default(),
            inbox,
            tally: Tally::default(),
            epoch: now,
            now: Cell::new(now),
            closed: Cell::new(false),
            bell: Bell::default(),
            config,
        };
        hub.watch_bell();
        let fired = RefCell::new(Vec::with_capacity(FIRED));
        Ok(Reactor { hub: Rc::new(hub), done: RefCell::default(), fired })
    }

    /// Runs until `main` is finished. Tasks that were spawned go on in the next run, or end with the reactor.
    ///
    /// # Panics
    /// If `main` does. A panic in a spawned task ends that task only.
    pub fn run<F: Future>(&self, main: F) -> F::Output {
        let _here = Here::enter(&self.hub);
        let mut main = pin!(main);
        self.hub.tasks.borrow_mut().schedule(MAIN);
        loop {
            if let Some(output) = self.poll_ready(main.as_mut()) {
                return output;
            }
            let now = self.note_turn();
            let idle = self.hub.tasks.borrow().ready() == 0;
            let timeout = if idle { self.until_next_timer(now) } else { None };
            self.turn(u32::from(idle), timeout);
        }
    }

    /// For other threads, to reach this reactor.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle(Arc::clone(&self.hub.inbox))
    }

    /// All counts at this moment.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.hub.counters()
    }

    /// In a simulation, a number that two runs share only if they were the same.
    #[must_use]
    pub fn trace(&self) -> Option<u64> {
        match &*self.hub.driver.borrow() {
            Driver::Ring(_) => None,
            Driver::Sim(kernel) => Some(kernel.trace()),
        }
    }

    /// Polls each task that is ready now, once.
    fn poll_ready<F: Future>(&self, mut main: Pin<&mut F>) -> Option<F::Output> {
        let hub = &*self.hub;
        let ready = hub.tasks.borrow().ready();
        for _ in 0..ready {
            let Some((key, future)) = hub.tasks.borrow_mut().next() else { break };
            add(&hub.tally.polls, 1);
            match future {
                Some(future) => poll_task(hub, key, future),
                None if key.index == MAIN.index => {
                    let waker = waker(hub.id, MAIN);
                    if let Poll::Ready(output) = main.as_mut().poll(&mut Context::from_waker(&waker)) {
                        return Some(output);
                    }
                }
                None => {}
            }
        }
        None
    }

    /// Notes how long everybody has waited for the tasks of this turn, and says what time it is.
    fn note_turn(&self) -> Instant {
        let hub = &*self.hub;
        let now = hub.driver.borrow().now(hub.epoch);
        let polled = now.saturating_duration_since(hub.now.get());
        if polled >= LONG_TURN {
            add(&hub.tally.turns_long, 1);
        }
        let us = u64::try_from(polled.as_micros()).unwrap_or(u64::MAX);
        hub.tally.turn_us_max.set(us.max(hub.tally.turn_us_max.get()));
        now
    }

    fn until_next_timer(&self, now: Instant) -> Option<Duration> {
        let tick = self.hub.wheel.borrow().next()?;
        Some((self.hub.epoch + Duration::from_millis(tick)).saturating_duration_since(now))
    }

    /// Submits, waits, and deals with everything that has happened meanwhile.
    fn turn(&self, want: u32, timeout: Option<Duration>) {
        let hub = &*self.hub;
        add(&hub.tally.turns, 1);
        hub.inbox.turns.store(hub.tally.turns.get(), Ordering::Relaxed);
        hub.pool.refill();
        hub.driver.borrow_mut().hear(&hub.inbox);
        let mut done = self.done.borrow_mut();
        let turned = hub.driver.borrow_mut().turn(want, timeout, &mut done, &hub.tally);
        if let Err(error) = turned {
            broken(&error);
        }
        // What the kernel has not taken yet still points into the staging.
        if !hub.driver.borrow_mut().has_queued() {
            hub.staging.borrow_mut().reset();
        }
        add(&hub.tally.completions, done.len() as u64);
        hub.now.set(hub.driver.borrow().now(hub.epoch));
        for completion in done.drain(..) {
            hub.complete(completion);
        }
        self.fire_timers();
        hub.feed_starved();
    }

    fn fire_timers(&self) {
        let hub = &*self.hub;
        let elapsed = hub.now.get().saturating_duration_since(hub.epoch);
        let tick = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let mut fired = self.fired.borrow_mut();
        hub.wheel.borrow_mut().advance(tick, &mut fired);
        add(&hub.tally.timers_fired, fired.len() as u64);
        fired.drain(..).for_each(Waker::wake);
    }
}

impl Drop for Reactor {
    /// Ends all tasks, then waits until the kernel has let go of every buffer. If it does not, the buffers are leaked.
    fn drop(&mut self) {
        let here = Here::enter(&self.hub);
        let hub = &*self.hub;
        let futures = hub.tasks.borrow_mut().clear();
        for future in futures {
            drop_task(hub, future);
        }
        hub.cancel_all();
        let clock = || hub.driver.borrow().now(hub.epoch);
        let until = clock() + END;
        while !hub.is_quiet() && clock() < until {
            let queued = hub.driver.borrow_mut().has_queued();
            self.turn(u32::from(!queued), Some(END_TURN));
        }
        hub.closed.set(true);
        if !hub.is_quiet() {
            let _leaked = ManuallyDrop::new(Rc::clone(&self.hub));
        }
        drop(here);
    }
}

/// Starts a task on the current reactor. It ends by itself, by a panic, or with the reactor.
///
/// # Panics
/// Outside [`Reactor::run`].
pub fn spawn(future: impl Future<Output = ()> + 'static) {
    let hub = here::hub();
    add(&hub.tally.spawns, 1);
    let inserted = hub.tasks.borrow_mut().insert(Box::pin(future));
    debug_assert!(inserted.is_some());
}

/// Has every task of the current reactor polled. For what concerns all of them, and is rare.
///
/// # Panics
/// Outside [`Reactor::run`].
pub fn wake_all() {
    here::with(|hub| hub.tasks.borrow_mut().schedule_all());
}

/// Whether nearly all buffers of the current reactor are in use, so that nothing new should begin.
///
/// # Panics
/// Outside [`Reactor::run`].
#[must_use]
pub fn is_short_of_buffers() -> bool {
    here::with(|hub| hub.pool.is_short())
}

/// Gives back what the current reactor keeps of memory that nobody has needed since this was last called.
///
/// # Panics
/// Outside [`Reactor::run`].
pub fn trim() {
    crate::nest::trim();
    here::with(|hub| {
        let is_told = hub.driver.borrow_mut().has_told_all();
        hub.pool.trim(is_told);
        hub.sheets.0.trim();
        hub.outboxes.0.trim();
        hub.tasks.borrow_mut().trim();
        hub.wheel.borrow_mut().trim();
    });
}

/// Has the allocator give this thread's free pages back to the system. It does so by itself while more is asked of it, which
/// a thread with nothing to do does not.
pub fn release() {
    // SAFETY: nothing of ours is passed. In a program with another allocator this finds nothing to collect.
    unsafe { libmimalloc_sys::mi_collect(true) };
}

/// Has the current reactor use no more than so many of its buffers from now on; it never has more than it began with.
///
/// # Panics
/// Outside [`Reactor::run`].
pub fn limit_buffers(buffers: u16) {
    here::hub().pool.limit(buffers);
}

/// The share of the current reactor's buffers that is in use, between 0 and 1.
///
/// # Panics
/// Outside [`Reactor::run`].
#[must_use]
pub fn buffers_in_use() -> f64 {
    here::hub().pool.in_use()
}

/// All counts of the current reactor.
///
/// # Panics
/// Outside [`Reactor::run`].
#[must_use]
pub fn counters() -> Counters {
    here::with(Hub::counters)
}

#[inline]
fn poll_task(hub: &Hub, key: TaskKey, mut future: Boxed) {
    let waker = waker(hub.id, key);
    let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut Context::from_waker(&waker))));
    match polled {
        Ok(Poll::Pending) => return hub.tasks.borrow_mut().put(key, future),
        Ok(Poll::Ready(())) => {}
        Err(_) => add(&hub.tally.panics, 1),
    }
    hub.tasks.borrow_mut().finish(key);
    drop_task(hub, future);
    let ends = std::mem::take(&mut hub.tasks.borrow_mut().ends);
    ends.into_iter().for_each(Waker::wake);
}

/// Drops a future, which may panic as well.
fn drop_task(hub: &Hub, future: Boxed) {
    if catch_unwind(AssertUnwindSafe(|| drop(future))).is_err() {
        add(&hub.tally.panics, 1);
    }
}

/// The ring fails as a whole only when the program has broken it; nothing this worker holds can go on.
#[cold]
#[expect(clippy::panic, reason = "ends this worker, which its owner restarts")]
fn broken(error: &io::Error) {
    panic!("the ring is broken: {error}");
}

fn check(config: &Config) -> Result<(), Error> {
    if !config.submissions.is_power_of_two() || config.submissions > 32_768 {
        return Err(Error::Config("submissions must be a power of two of at most 32768"));
    }
    if config.completions < config.submissions {
        return Err(Error::Config("completions must not be below submissions"));
    }
    if config.buffers_max == 0 || config.buffers_max > 32_768 {
        return Err(Error::Config("buffers_max must lie between 1 and 32768"));
    }
    if config.buffer_bytes == 0 || config.recv_queue_max == 0 {
        return Err(Error::Config("buffer_bytes and recv_queue_max must not be 0"));
    }
    Ok(())
}

fn pin_to(cpu: usize) -> Result<(), Error> {
    let mut set = nix::sched::CpuSet::new();
    let pinned =
        set.set(cpu).and_then(|()| nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &set));
    pinned.map_err(|e| Error::Cpu { cpu, source: e.into() })
}
