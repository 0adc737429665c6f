//! A thread that stands by for work which comes again and again. One of its own for each time would set up its memory anew and give it
//! back in the end, and each time the kernel interrupts every processor that runs a thread of this process.

use std::cell::RefCell;
use std::io;
use std::sync::mpsc::{Sender, channel};
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// The thread. It begins with the first piece of work, goes on with the next should one panic, and ends when this is dropped. Who
/// asks is answered in the order of asking; the doors bound how many can.
#[derive(Debug, Default)]
pub struct Standby(RefCell<Option<Sender<Job>>>);

impl Standby {
    /// Has it do something while this thread goes on.
    ///
    /// # Errors
    /// There is no thread to be had, or the work panicked.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        let (answer, answered) = oneshot::channel();
        self.put(Box::new(move || drop(answer.send(work()))))?;
        answered.await.map_err(|_| io::Error::other("the thread that was to do it has panicked"))
    }

    fn put(&self, job: Job) -> io::Result<()> {
        let mut thread = self.0.borrow_mut();
        let refused = match thread.as_ref() {
            Some(jobs) => jobs.send(job).err().map(|refused| refused.0),
            None => Some(job),
        };
        let Some(job) = refused else { return Ok(()) };
        let (jobs, queue) = channel::<Job>();
        let stand_by = move || queue.into_iter().for_each(|job| job());
        std::thread::Builder::new().name(String::from("weir-standby")).spawn(stand_by)?;
        jobs.send(job).map_err(|_| io::Error::other("the thread that was to do it has ended"))?;
        *thread = Some(jobs);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn one_thread_does_it_all_and_a_panic_ends_only_its_own_work() {
        crate::run(async {
            let standby = Standby::default();
            let first = standby.run(|| thread::current().id()).await.unwrap();
            assert_ne!(first, thread::current().id());
            assert_eq!(standby.run(|| thread::current().id()).await.unwrap(), first);
            let panicked = standby.run(|| panic!("as the test wants it")).await.map(|(): ()| ());
            assert_eq!(panicked.unwrap_err().kind(), io::ErrorKind::Other);
            let answered = async || standby.run(|| 7).await.unwrap_or(0) == 7;
            while !answered().await {
                thread::yield_now();
            }
        })
        .unwrap();
    }
}
