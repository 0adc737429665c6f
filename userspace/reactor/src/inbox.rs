//! How other threads reach a reactor: a bounded list of jobs and wake-ups, and one bell (an eventfd) rung only when
//! the reactor has not been told yet.

use crate::waker::TaskKey;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

/// Work for the reactor's own thread.
pub type Job = Box<dyn FnOnce() + Send>;

/// What waits for the reactor.
#[derive(Default)]
pub(crate) struct Post {
    pub(crate) wakes: Vec<TaskKey>,
    /// More wake-ups came than are worth listing: wake every task.
    pub(crate) wake_all: bool,
    pub(crate) jobs: Vec<Job>,
}

/// One reactor's letter box.
pub(crate) struct Inbox {
    post: Mutex<Post>,
    rung: AtomicBool,
    bell: OwnedFd,
    jobs_max: usize,
    /// The turns of the loop, for a watchdog on another thread.
    pub(crate) turns: AtomicU64,
}

/// Wake-ups listed one by one before all tasks are woken instead.
const WAKES_MAX: usize = 4096;

static INBOXES: RwLock<Vec<Weak<Inbox>>> = RwLock::new(Vec::new());

impl Inbox {
    /// Makes an inbox and the number under which wakers find it.
    pub(crate) fn open(jobs_max: usize) -> io::Result<(u16, Arc<Inbox>)> {
        let bell = nix::sys::eventfd::EventFd::from_flags(nix::sys::eventfd::EfdFlags::EFD_CLOEXEC)?;
        let post = Mutex::new(Post::default());
        let inbox = Arc::new(Inbox {
            post,
            rung: AtomicBool::new(false),
            bell: bell.into(),
            jobs_max,
            turns: AtomicU64::new(0),
        });
        let mut all = INBOXES.write().unwrap_or_else(PoisonError::into_inner);
        let place = all.iter().position(|i| i.strong_count() == 0).unwrap_or(all.len());
        let id = u16::try_from(place).map_err(|_| io::Error::other("too many reactors"))?;
        match all.get_mut(place) {
            Some(weak) => *weak = Arc::downgrade(&inbox),
            None => all.push(Arc::downgrade(&inbox)),
        }
        Ok((id, inbox))
    }

    pub(crate) fn bell(&self) -> RawFd {
        self.bell.as_raw_fd()
    }

    /// Whether the bell was rung since everything was taken.
    pub(crate) fn is_rung(&self) -> bool {
        self.rung.load(Ordering::SeqCst)
    }

    /// Takes everything. The bell may ring again from here on.
    pub(crate) fn take(&self) -> Post {
        self.rung.store(false, Ordering::SeqCst);
        std::mem::take(&mut *self.post.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn ring(&self) {
        if !self.rung.swap(true, Ordering::SeqCst) {
            // The counter cannot overflow: it is written once per reading.
            let written = nix::unistd::write(self.bell.as_fd(), &1u64.to_ne_bytes());
            debug_assert_eq!(written, Ok(8));
        }
    }

    fn wake(&self, task: TaskKey) {
        let mut post = self.post.lock().unwrap_or_else(PoisonError::into_inner);
        if post.wakes.len() < WAKES_MAX {
            post.wakes.push(task);
        } else {
            post.wake_all = true;
        }
        drop(post);
        self.ring();
    }
}

/// Wakes a task of another thread's reactor.
pub(crate) fn wake(reactor: u16, task: TaskKey) {
    let all = INBOXES.read().unwrap_or_else(PoisonError::into_inner);
    let inbox = all.get(usize::from(reactor)).and_then(Weak::upgrade);
    drop(all);
    if let Some(inbox) = inbox {
        inbox.wake(task);
    }
}

/// A reactor as other threads hold it.
#[derive(Clone)]
pub struct Handle(pub(crate) Arc<Inbox>);

impl Handle {
    /// How many turns the reactor's loop has made. An idle loop makes none; a job given to [`Handle::run`] makes one.
    /// So a watchdog that gives a job and sees no turn within its patience knows that the worker is stuck.
    #[must_use]
    pub fn turns(&self) -> u64 {
        self.0.turns.load(Ordering::Relaxed)
    }

    /// Runs `job` on the reactor's thread, where it may spawn tasks. Gives the job back when the inbox is full.
    ///
    /// # Errors
    /// The job, if `jobs_max` of them wait already.
    pub fn run(&self, job: impl FnOnce() + Send + 'static) -> Result<(), Job> {
        let mut post = self.0.post.lock().unwrap_or_else(PoisonError::into_inner);
        if post.jobs.len() >= self.0.jobs_max {
            return Err(Box::new(job));
        }
        post.jobs.push(Box::new(job));
        drop(post);
        self.0.ring();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_inbox_gives_the_job_back_and_wakes_are_never_lost() {
        let (_, inbox) = Inbox::open(2).unwrap();
        let handle = Handle(Arc::clone(&inbox));
        assert!(handle.run(|| ()).is_ok());
        assert!(handle.run(|| ()).is_ok());
        assert!(handle.run(|| ()).is_err());
        for index in 0..=WAKES_MAX {
            inbox.wake(TaskKey { index: u32::try_from(index).unwrap(), generation: 0 });
        }
        let post = inbox.take();
        assert_eq!((post.jobs.len(), post.wakes.len(), post.wake_all), (2, WAKES_MAX, true));
        assert!(inbox.take().wakes.is_empty());
    }
}
