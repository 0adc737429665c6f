//! Runs one window: connections as tasks on every engine, one tally at the end.

use super::arrivals::Schedule;
use super::job::{Job, Pace};
use super::queue::Queue;
use super::random::Random;
use super::worker::Worker;
use crate::engine::Engine;
use crate::measure::process::own_thread_cpu_ns;
use crate::measure::tally::Window;
use crate::measure::{Fault, Tally};
use crate::scenario::Load;
use anyhow::{Context, Result};
use crossbeam::channel;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::cell::{Cell, RefCell};
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;

/// What came of a window.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    /// CPU time of the generator within the window.
    pub(crate) cpu_ns: u64,
}

/// Starts the load on the engines and returns at its end. `watch` is called when the window begins to count and when it ends.
pub(crate) fn run(engines: &[Engine], job: &Job, mut watch: impl FnMut(Moment)) -> Result<Outcome> {
    let window = Window { begin: Instant::now() + START + job.warm_up, length: job.length };
    let (send, receive) = channel::bounded(engines.len());
    for (thread, engine) in (0..).zip(engines) {
        let (part, send) = (job.part(thread, u32::try_from(engines.len())?), send.clone());
        engine.spawn(move || async move {
            send.send(drive(part, window, thread).await).ok();
        });
    }
    drop(send);
    wait_until(window.begin, job);
    watch(Moment::Begin);
    wait_until(window.end(), job);
    watch(Moment::End);
    let mut whole = Outcome { tally: Tally::new(), cpu_ns: 0 };
    for outcome in receive {
        let outcome = outcome?;
        whole.tally.join(&outcome.tally);
        whole.cpu_ns += outcome.cpu_ns;
    }
    Ok(whole)
}

/// A moment of a window at which others measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Begin,
    End,
}

/// The load begins after this time.
const START: Duration = Duration::from_millis(2);

/// A user who wants no more waits at most so long.
const STEP: Duration = Duration::from_millis(50);

fn wait_until(at: Instant, job: &Job) {
    while let Some(left) = at.checked_duration_since(Instant::now()) {
        if job.stop.load(Relaxed) {
            return;
        }
        std::thread::park_timeout(left.min(STEP));
    }
}

/// What the tasks of one thread share.
pub(super) struct Shared {
    pub(super) job: Job,
    pub(super) window: Window,
    pub(super) tally: RefCell<Tally>,
    pub(super) queue: Queue,
}

async fn drive(job: Job, window: Window, thread: u32) -> Result<Outcome> {
    let shared = Rc::new(Shared { job, window, tally: RefCell::new(Tally::new()), queue: Queue::default() });
    let mut random = Random::new(u64::from(thread) << 32 | 1);
    let mut workers = Vec::new();
    for _ in 0..shared.job.connections {
        let worker = Worker::new(Rc::clone(&shared), Random::new(random.next()));
        workers.push(tokio_uring::spawn(worker.run()));
    }
    let begin = watch_cpu(window);
    if let Pace::Open(ramp, arrivals) = shared.job.pace {
        dispatch(&shared, Schedule::new(ramp, arrivals, random.next())).await?;
    }
    while Instant::now() < window.end() && !shared.job.stop.load(Relaxed) {
        let step = window.end().min(Instant::now() + STEP);
        tokio::time::sleep_until(step.into()).await;
    }
    let cpu_ns = own_thread_cpu_ns().saturating_sub(begin.get());
    shared.queue.end();
    let patience = tokio::time::Instant::from_std(window.end() + Load::PATIENCE);
    let mut late = 0;
    for mut worker in workers {
        if shared.job.stop.load(Relaxed) || tokio::time::timeout_at(patience, &mut worker).await.is_err() {
            worker.abort();
            late += 1;
        }
    }
    let mut tally = shared.tally.replace(Tally::new());
    if !shared.job.stop.load(Relaxed) {
        tally.fault(Fault::Timeout, late + u64::try_from(shared.queue.len()).unwrap_or(u64::MAX));
    }
    Ok(Outcome { tally, cpu_ns })
}

/// The CPU time of this thread when the window begins; until then what it is now.
fn watch_cpu(window: Window) -> Rc<Cell<u64>> {
    let begin = Rc::new(Cell::new(own_thread_cpu_ns()));
    let seen = Rc::clone(&begin);
    tokio_uring::spawn(async move {
        tokio::time::sleep_until(window.begin.into()).await;
        seen.set(own_thread_cpu_ns());
    });
    begin
}

/// Puts requests into the queue when they are due, warm-up included.
async fn dispatch(shared: &Rc<Shared>, schedule: Schedule) -> Result<()> {
    let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK).context("no timer")?;
    #[allow(
        deprecated,
        reason = "its successor is unsafe to call; this descriptor is owned and given to nobody"
    )]
    let timer = AsyncFd::new(Fd(timer)).context("no timer")?;
    let warm_up = shared.job.warm_up;
    let from = shared.window.begin - warm_up;
    for after in schedule {
        let due = from + after;
        if due >= shared.window.end() || shared.job.stop.load(Relaxed) {
            break;
        }
        sleep_until(&timer, due).await?;
        let mut tally = shared.tally.borrow_mut();
        if due >= shared.window.begin {
            tally.offered += 1;
            tally.came_late(due.elapsed());
        }
        if !shared.queue.push(due) {
            tally.fault(Fault::Overrun, 1);
        }
    }
    Ok(())
}

/// A timer of the kernel: tokio's own wheel has steps of a millisecond, far too coarse for arrivals.
async fn sleep_until(timer: &AsyncFd<Fd>, due: Instant) -> Result<()> {
    while let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        let timer_fd = &timer.get_ref().0;
        timer_fd.set(Expiration::OneShot(TimeSpec::from_duration(left)), TimerSetTimeFlags::empty())?;
        let mut ready = timer.readable().await?;
        timer_fd.wait().ok();
        ready.clear_ready();
    }
    Ok(())
}

struct Fd(TimerFd);

impl AsRawFd for Fd {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.0.as_fd().as_raw_fd()
    }
}
