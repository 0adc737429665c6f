//! Work that would hold the control thread up: it is done on a thread of its own, one piece after the other.

use std::io;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard, oneshot};

/// How long a piece of work may take. What it comes to afterwards is lost.
pub const WORK_MAX: Duration = Duration::from_secs(300);

/// Whose turn it is. Who asks while it is somebody's waits, and comes in the order of asking.
#[derive(Debug, Default)]
pub struct Turns(Mutex<()>);

/// A turn; it ends when this is dropped.
#[derive(Debug)]
#[must_use = "without it the turn is over at once"]
pub struct Turn<'a>(#[expect(dead_code, reason = "held, never read")] MutexGuard<'a, ()>);

impl Turns {
    /// Waits for a turn.
    pub async fn take(&self) -> Turn<'_> {
        Turn(self.0.lock().await)
    }

    /// A turn, if it is nobody's.
    pub fn try_take(&self) -> Option<Turn<'_>> {
        self.0.try_lock().ok().map(Turn)
    }
}

/// Does something on a thread of its own while this one goes on.
///
/// # Errors
/// There is no thread to be had, the work panicked, or it takes longer than [`WORK_MAX`].
pub async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    aside_within(WORK_MAX, work).await
}

async fn aside_within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (answer, answered) = oneshot::channel();
    let work = move || drop(answer.send(work()));
    std::thread::Builder::new().name(String::from("weir-aside")).spawn(work)?;
    match tokio::time::timeout(limit, answered).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(_)) => Err(io::Error::other("the thread that was to do it has panicked")),
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("it was not done within {limit:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;
    use std::sync::mpsc::channel;

    #[test]
    fn work_aside_holds_nobody_up() {
        let (go, gone) = channel::<u32>();
        let done = crate::run(async move {
            let work = tokio::task::spawn_local(aside(move || gone.recv().unwrap() + 1));
            // The work waits for what only this thread can send.
            go.send(1).unwrap();
            work.await.unwrap().unwrap()
        });
        assert_eq!(done.unwrap(), 2);
    }

    #[test]
    fn work_that_fails_or_lasts_is_an_error() {
        crate::run(async {
            let panicked = aside(|| panic!("as the test wants it")).await.map(|(): ()| ());
            assert_eq!(panicked.unwrap_err().kind(), io::ErrorKind::Other);
            let (_keep, never) = channel::<()>();
            let late = aside_within(Duration::from_millis(1), move || never.recv()).await.map(drop);
            assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut);
        })
        .unwrap();
    }

    #[test]
    fn one_turn_follows_the_other() {
        crate::run(async {
            let turns = Rc::new(Turns::default());
            let first = turns.take().await;
            assert!(turns.try_take().is_none());
            let second = Rc::clone(&turns);
            let second = tokio::task::spawn_local(async move { drop(second.take().await) });
            tokio::task::yield_now().await;
            assert!(!second.is_finished());
            drop(first);
            second.await.unwrap();
            assert!(turns.try_take().is_some());
        })
        .unwrap();
    }
}
