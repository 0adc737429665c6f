//! Requests that are due, waiting for a free connection, and connections waiting for one.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::Instant;

/// More requests than this never wait; further ones count as an overrun.
const DUE_MAX: usize = 1_000_000;

#[derive(Default)]
struct State {
    due: VecDeque<Instant>,
    idle: VecDeque<Waker>,
    ended: bool,
}

/// First come, first served, on both sides.
#[derive(Default)]
pub(crate) struct Queue(RefCell<State>);

impl Queue {
    /// Adds a request that is due; false if too many wait.
    pub(crate) fn push(&self, due: Instant) -> bool {
        let mut state = self.0.borrow_mut();
        if state.due.len() >= DUE_MAX {
            return false;
        }
        state.due.push_back(due);
        let idle = state.idle.pop_front();
        drop(state);
        if let Some(waker) = idle {
            waker.wake();
        }
        true
    }

    /// The next request; `None` after the end.
    pub(crate) async fn next(&self) -> Option<Instant> {
        poll_fn(|context| {
            let mut state = self.0.borrow_mut();
            match state.due.pop_front() {
                Some(due) => Poll::Ready(Some(due)),
                None if state.ended => Poll::Ready(None),
                None => {
                    state.idle.push_back(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// No more will come; what waits is still served.
    pub(crate) fn end(&self) {
        let mut state = self.0.borrow_mut();
        state.ended = true;
        let idle: Vec<Waker> = state.idle.drain(..).collect();
        drop(state);
        idle.into_iter().for_each(Waker::wake);
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.0.borrow().due.len()
    }
}
